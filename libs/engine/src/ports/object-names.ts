/** Which objects a body names, so that what it refers to is kept as long as it is: references of artifacts, wherever they stand in it. */

const MARK = "$artifact";
const REFERENCE = /"sha256"\s*:\s*"([0-9a-f]{64})"/g;
/** A reference that is cut by a piece's end lies within so much of it. */
const CARRIED_CHARS = 128;

/** Takes a body in pieces. */
export class NamedObjects {
  readonly names = new Set<string>();
  private carried = "";

  add(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const text = this.carried + bytes.toString("latin1");
    for (const [, name] of text.matchAll(REFERENCE)) if (name !== undefined) this.names.add(name);
    this.carried = text.slice(-CARRIED_CHARS);
  }
}

/** Of a body that is held whole. Costs next to nothing where it names none. */
export function namesIn(body: Uint8Array): ReadonlySet<string> {
  if (!Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes(MARK)) return NONE;
  const found = new NamedObjects();
  found.add(body);
  return found.names;
}

const NONE: ReadonlySet<string> = new Set();
