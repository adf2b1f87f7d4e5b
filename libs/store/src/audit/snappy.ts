/**
 * Unpacks one raw Snappy block: LevelDB packs the index blocks of its tables with it.
 * Source of the format: google/snappy, `format_description.txt`. Throws `DamagedBytes` for anything malformed.
 */
import { ByteReader, DamagedBytes } from "./byte-reader.js";

/** More than any index block of a table of a few MiB; a damaged length must not allocate without bound. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

export function unpackSnappy(packed: Buffer): Buffer {
  const reader = new ByteReader(packed);
  const length = reader.varint();
  if (length > UNPACKED_BYTES_MAX) throw new DamagedBytes(`a packed block claims ${length} bytes`);
  const out = Buffer.allocUnsafe(length);
  let written = 0;
  while (!reader.done) {
    const tag = reader.take(1)[0] as number;
    if ((tag & 3) === 0) {
      const short = tag >>> 2;
      const size = short < 60 ? short + 1 : reader.take(short - 59).readUIntLE(0, short - 59) + 1;
      if (written + size > length) throw new DamagedBytes("a packed block holds more than it claims");
      out.set(reader.take(size), written);
      written += size;
      continue;
    }
    const { size, offset } = copyOf(tag, reader);
    if (offset === 0 || offset > written || written + size > length)
      throw new DamagedBytes("a packed block refers outside itself");
    // Byte by byte: source and target may overlap, and then what was just written is read again.
    for (let i = 0; i < size; i++, written++) out[written] = out[written - offset] as number;
  }
  if (written !== length) throw new DamagedBytes("a packed block holds less than it claims");
  return out;
}

function copyOf(tag: number, reader: ByteReader): { size: number; offset: number } {
  if ((tag & 3) === 1)
    return { size: ((tag >>> 2) & 7) + 4, offset: ((tag >>> 5) << 8) | (reader.take(1)[0] as number) };
  const width = (tag & 3) === 2 ? 2 : 4;
  return { size: (tag >>> 2) + 1, offset: reader.take(width).readUIntLE(0, width) };
}
