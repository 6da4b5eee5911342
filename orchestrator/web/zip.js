/** Packs files into a ZIP without compressing them: they are JPEGs. Format: PKWARE APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16. */

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});
const VERSION = 20;
const UTF8_NAMES = 0x0800;

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Little-endian numbers, given as pairs of how many bytes each has and its value. */
function record(...fields) {
  const bytes = [];
  for (const [size, value] of fields) for (let at = 0; at < size; at += 1) bytes.push((value >>> (8 * at)) & 255);
  return Uint8Array.from(bytes);
}

function stamp(date) {
  const day = ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
  return (day << 16) | (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
}

/** One File that contains these files. */
export async function zip(files, name) {
  const parts = [], directory = [];
  let offset = 0;
  for (const file of files) {
    const bytes = new Uint8Array(await file.arrayBuffer()), title = new TextEncoder().encode(file.name);
    const common = [[2, VERSION], [2, UTF8_NAMES], [2, 0], [4, stamp(new Date())], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, title.length], [2, 0]];
    const header = record([4, 0x04034b50], ...common);
    directory.push(record([4, 0x02014b50], [2, VERSION], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), title);
    parts.push(header, title, bytes);
    offset += header.length + title.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]);
  return new File([...parts, ...directory, end], name, { type: "application/zip" });
}
