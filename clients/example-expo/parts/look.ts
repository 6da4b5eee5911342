import { StyleSheet } from "react-native";

export const colour = { ground: "#0b0d10", raised: "#171b21", line: "#2b323c", words: "#eef1f4", quiet: "#9aa5b1", accent: "#ffa94d", onAccent: "#201204" };

export const look = StyleSheet.create({
  screen: { flex: 1, backgroundColor: colour.ground },
  middle: { flex: 1, alignItems: "center", justifyContent: "center", gap: 20, padding: 20 },
  title: { color: colour.words, fontSize: 24, fontWeight: "700", textAlign: "center" },
  words: { color: colour.quiet, fontSize: 16, lineHeight: 24, textAlign: "center" },
  row: { flexDirection: "row", flexWrap: "wrap", justifyContent: "center", gap: 10 },
});
