/**
 * Titles that were written as Windows-1252 and read as Mac Roman: "LÈon" for "Léon", "2Ω" for "2½".
 * The bytes are had back by writing Mac Roman, and then read as what they are.
 */

/** Mac Roman 0x80-0xFF in order, from Unicode's mapping table (VENDORS/APPLE/ROMAN.TXT). */
const MAC_ROMAN_UPPER =
  "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u00a0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";

/**
 * Windows-1252 0x80-0x9F in order; from 0xA0 on a byte is its own code point. Spelled out, since the TextDecoder of
 * some Node versions takes Windows-1252 for Latin-1 and makes controls of these.
 */
const WINDOWS_1252_C1 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";

const BYTE_OF: ReadonlyMap<string, number> = new Map(
  Array.from(MAC_ROMAN_UPPER, (char, at) => [char, 0x80 + at]),
);

/**
 * The title as it was meant. A title with a letter that Mac Roman does not have, such as "Alien³", was read right
 * and stays; so does one in ASCII.
 */
export function repairTitle(title: string): string {
  let repaired = "";
  for (const char of title) {
    const byte = char.charCodeAt(0) < 0x80 ? char.charCodeAt(0) : BYTE_OF.get(char);
    if (byte === undefined) return title;
    repaired += (byte < 0xa0 ? WINDOWS_1252_C1[byte - 0x80] : undefined) ?? String.fromCharCode(byte);
  }
  return repaired;
}
