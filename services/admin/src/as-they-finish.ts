/**
 * Work over a stream of items, several at once, results as they finish.
 *
 * 1. At most `atOnce` items are under way, and no more results wait than that: a slow reader stops new work.
 * 2. Leaving the loop early begins nothing more; what is under way ends by itself, unheard.
 * 3. After a failure nothing more is begun; results of what was under way still come, then the failure is thrown.
 */
export async function* asTheyFinish<T, R>(
  source: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const items = source[Symbol.asyncIterator]();
  const finished: R[] = [];
  let failure: { readonly error: unknown } | undefined;
  let underWay = 0;
  let pulling = false;
  let ended = false;
  let wake = (): void => {};

  const fail = (error: unknown): void => {
    failure ??= { error };
    ended = true;
  };
  const begin = async (item: T): Promise<void> => {
    underWay += 1;
    try {
      finished.push(await work(item));
    } catch (error) {
      fail(error);
    }
    underWay -= 1;
    wake();
  };
  const pull = async (): Promise<void> => {
    pulling = true;
    try {
      const next = await items.next();
      if (next.done === true) ended = true;
      else if (!ended) void begin(next.value);
    } catch (error) {
      fail(error);
    }
    pulling = false;
    wake();
  };

  try {
    for (;;) {
      if (!ended && !pulling && underWay + finished.length < atOnce) void pull();
      const result = finished.shift();
      if (result !== undefined) yield result;
      else if (ended && !pulling && underWay === 0) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    ended = true;
    await items.return?.();
  }
  if (failure !== undefined) throw failure.error;
}
