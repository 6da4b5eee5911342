import { IrisvueError } from "irisvue-client";
import { useCallback, useEffect, useState } from "react";
import { FlatList, Image, Pressable, StyleSheet, Text, View, useWindowDimensions } from "react-native";
import { client } from "../client";
import type { Route } from "../logic/route";
import { tileOf, told, type Tile } from "../logic/tiles";
import { useReturn } from "../native/useReturn";
import { Button } from "../parts/Button";
import { colour, look } from "../parts/look";
import { Ring } from "../parts/Ring";

const GAP = 12;

/** All photos, newest first, each with its progress: one list, then one stream for all of them. */
export function Gallery({ show }: { show: (route: Route) => void }) {
  const { tiles, words } = useTiles();
  const width = Math.min(useWindowDimensions().width, 640);
  const side = (width - 3 * GAP) / 2;
  const open = async ({ jobId, photoId }: Tile): Promise<void> => {
    show({ screen: "job", jobId: jobId ?? (await client.submit(photoId, { preview: true })).job_id });
  };
  return (
    <View style={look.screen}>
      <FlatList
        data={tiles}
        numColumns={2}
        keyExtractor={(tile) => tile.photoId}
        style={{ width, alignSelf: "center" }}
        contentContainerStyle={{ padding: GAP, gap: GAP, flexGrow: 1 }}
        columnWrapperStyle={{ gap: GAP }}
        ListHeaderComponent={<Text role="heading" style={styles.heading}>Your irises</Text>}
        ListEmptyComponent={<View style={look.middle}><Text style={look.words}>{tiles ? "No photo yet. Take one by a window, with the light from the side." : words || "Loading..."}</Text></View>}
        renderItem={({ item }) => <Picture tile={item} side={side} open={() => void open(item).catch(console.warn)} />}
      />
      <View style={styles.bar}><Button title="Take a photo" first onPress={() => show({ screen: "camera" })} /></View>
    </View>
  );
}

function Picture({ tile, side, open }: { tile: Tile; side: number; open: () => void }) {
  const dimmed = tile.state === "running" || tile.state === "failed";
  return (
    <Pressable role="button" aria-label={tile.words || "Photo"} onPress={open} style={{ width: side, gap: 6 }}>
      <View style={[styles.frame, { width: side, height: side }]}>
        <Image source={{ uri: tile.picture }} style={[StyleSheet.absoluteFill, { opacity: dimmed ? 0.35 : 1 }]} resizeMode="cover" alt="" />
        {tile.state === "running" && <Ring percent={tile.percent} size={side * 0.5} />}
        {tile.state === "failed" && <Text style={styles.mark}>!</Text>}
      </View>
      {dimmed && <Text numberOfLines={1} style={styles.caption}>{tile.words}</Text>}
    </Pressable>
  );
}

function useTiles(): { tiles: Tile[] | null; words: string } {
  const [tiles, setTiles] = useState<Tile[] | null>(null);
  const [words, setWords] = useState("");
  const load = useCallback(async () => {
    try {
      setTiles((await client.listPhotos({ page_size: 50 })).photos.map(tileOf));
    } catch (error) {
      if (error instanceof IrisvueError) setWords(error.message);
    }
  }, []);
  useReturn(load);
  useEffect(() => {
    const stop = new AbortController();
    const follow = async (): Promise<void> => {
      await load();
      for await (const message of client.watchAll({ signal: stop.signal })) {
        setTiles((now) => {
          const next = now && told(now, message);
          if (!next) void load();
          return next ?? now;
        });
      }
    };
    follow().catch((error: unknown) => setWords(String(error)));
    return () => stop.abort();
  }, [load]);
  return { tiles, words };
}

const styles = StyleSheet.create({
  heading: { color: colour.words, fontSize: 28, fontWeight: "700", paddingVertical: 8 },
  frame: { overflow: "hidden", borderRadius: 16, backgroundColor: colour.raised, alignItems: "center", justifyContent: "center" },
  mark: { color: colour.accent, fontSize: 48, fontWeight: "700" },
  caption: { color: colour.quiet, fontSize: 14 },
  bar: { padding: 16, borderTopWidth: 1, borderTopColor: colour.line, alignItems: "center" },
});
