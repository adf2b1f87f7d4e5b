/**
 * Promises that the SDK hands out to handlers and callers.
 *
 * 1. Nobody has to await one: a rejection that nobody listens to is dropped, and never ends the process. Whoever awaits it gets it all the same.
 */
const drop = (): undefined => undefined;

/** The same promise. */
export function handedOut<T>(promise: Promise<T>): Promise<T> {
  promise.then(drop, drop);
  return promise;
}

/** The same generator, each of whose promises is handed out. */
export function handedOutEach<T>(
  generator: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const next = generator.next.bind(generator);
  const end = generator.return.bind(generator);
  const fail = generator.throw.bind(generator);
  generator.next = (...given) => handedOut(next(...given));
  generator.return = (value) => handedOut(end(value));
  generator.throw = (error) => handedOut(fail(error));
  return generator;
}
