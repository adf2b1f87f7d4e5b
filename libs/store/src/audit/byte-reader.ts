/**
 * Reads LevelDB's little-endian numbers and varints out of one block of bytes.
 * Every read is bounds-checked: what it reads may be damaged. Throws `DamagedBytes` and nothing else.
 */

/** The bytes can't be what LevelDB wrote. */
export class DamagedBytes extends Error {
  override readonly name = "DamagedBytes";
}

export class ByteReader {
  at: number;

  constructor(
    private readonly bytes: Buffer,
    from = 0,
    private readonly end = bytes.length,
  ) {
    this.at = from;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  /** A varint of up to 64 bits. Values above 2^53 lose precision; LevelDB's own counters stay far below. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (this.at >= this.end || scale > 2 ** 63)
        throw new DamagedBytes(`a number at byte ${this.at} does not end`);
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** The next `length` bytes, as a view. */
  take(length: number): Buffer {
    if (length > this.end - this.at)
      throw new DamagedBytes(`${length} bytes from byte ${this.at} on reach beyond the end`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** Bytes that follow their length. */
  slice(): Buffer {
    return this.take(this.varint());
  }
}
