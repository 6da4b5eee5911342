import { Pressable, Text } from "react-native";
import { colour } from "./look";

/** `first`: what most people want here. */
export function Button({ title, onPress, first = false }: { title: string; onPress: () => void; first?: boolean }) {
  return (
    <Pressable
      accessibilityRole="button"
      onPress={onPress}
      style={({ pressed }) => ({
        opacity: pressed ? 0.7 : 1, minHeight: 48, paddingHorizontal: 20, justifyContent: "center", borderRadius: 24, borderWidth: 1,
        backgroundColor: first ? colour.accent : colour.raised, borderColor: first ? colour.accent : colour.line,
      })}
    >
      <Text style={{ color: first ? colour.onAccent : colour.words, fontSize: 16, fontWeight: "600", textAlign: "center" }}>{title}</Text>
    </Pressable>
  );
}
