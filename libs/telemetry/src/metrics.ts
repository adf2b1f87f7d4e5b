/**
 * Counters and gauges, rendered as Prometheus text (exposition format 0.0.4).
 *
 * 1. A series is looked up once, by `labels`, and then costs one addition.
 * 2. A metric holds at most SERIES_MAX series; label values beyond that share one series labelled OVERFLOW_LABEL,
 *    so a name that somebody outside chooses can't grow the process.
 * 3. A counter's name ends in `_total`, a gauge's never does, and units are base units: another name is refused where it is made.
 */

/** Series of one metric. */
export const SERIES_MAX = 1_000;
/** The label value of what is counted together once a metric is full. */
export const OVERFLOW_LABEL = "_other";

export interface CounterSeries {
  /** `by` must not be negative. Default: 1. */
  inc(by?: number): void;
  readonly value: number;
}

export interface GaugeSeries {
  set(value: number): void;
  add(by: number): void;
  readonly value: number;
}

/** A metric without label names is its own only series: `counter.inc()`. */
export interface Counter extends CounterSeries {
  /** The series of these label values, in the order of the label names. */
  labels(...values: string[]): CounterSeries;
}

export interface Gauge extends GaugeSeries {
  labels(...values: string[]): GaugeSeries;
}

export interface MetricOptions {
  /** `[a-zA-Z_:][a-zA-Z0-9_:]*`; a counter's ends in `_total`, a unit comes last before that. */
  name: string;
  help: string;
  labels?: readonly string[];
}

export interface MetricsRegistry {
  /** Asking again for a name with the same labels gives the same metric; with others, it throws. */
  counter(options: MetricOptions): Counter;
  gauge(options: MetricOptions): Gauge;
  /** A gauge without labels whose value is read at each rendering. */
  observe(options: Omit<MetricOptions, "labels">, read: () => number): void;
  /** A counter without labels whose value, which never falls, is read at each rendering. */
  observeTotal(options: Omit<MetricOptions, "labels">, read: () => number): void;
  render(): string;
}

const NO_BASE_UNIT = /_(ns|us|ms|milliseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_|$)/;

class Series implements CounterSeries, GaugeSeries {
  value = 0;

  inc(by = 1): void {
    if (!(by >= 0)) throw new RangeError(`a counter can't go by ${by}`);
    this.value += by;
  }

  add(by: number): void {
    this.value += by;
  }

  set(value: number): void {
    this.value = value;
  }
}

const escapeLabel = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

function showNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

class Metric implements Counter, Gauge {
  readonly #series = new Map<string, { values: readonly string[]; series: Series }>();
  read: (() => number) | undefined;

  constructor(
    readonly kind: "counter" | "gauge",
    readonly name: string,
    readonly help: string,
    readonly labelNames: readonly string[],
  ) {}

  labels(...values: string[]): Series {
    if (values.length !== this.labelNames.length) {
      throw new RangeError(
        `${this.name} has the labels [${this.labelNames.join(", ")}], not ${values.length} of them`,
      );
    }
    const key = values.join("\0");
    const known = this.#series.get(key);
    if (known !== undefined) return known.series;
    // The last place is the overflow's own.
    if (this.#series.size >= SERIES_MAX - 1 && values.some((value) => value !== OVERFLOW_LABEL)) {
      return this.labels(...this.labelNames.map(() => OVERFLOW_LABEL));
    }
    const series = new Series();
    this.#series.set(key, { values, series });
    return series;
  }

  inc(by?: number): void {
    this.labels().inc(by);
  }

  add(by: number): void {
    this.labels().add(by);
  }

  set(value: number): void {
    this.labels().set(value);
  }

  get value(): number {
    return this.labels().value;
  }

  render(): string {
    if (this.labelNames.length === 0) {
      const only = this.labels();
      if (this.read !== undefined) only.set(this.read());
    }
    const lines = [`# HELP ${this.name} ${escapeHelp(this.help)}`, `# TYPE ${this.name} ${this.kind}`];
    for (const { values, series } of this.#series.values()) {
      const pairs = this.labelNames.map((name, i) => `${name}="${escapeLabel(values[i] ?? "")}"`);
      const labels = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
      lines.push(`${this.name}${labels} ${showNumber(series.value)}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

export function createRegistry(): MetricsRegistry {
  const metrics = new Map<string, Metric>();

  function metric(kind: Metric["kind"], { name, help, labels = [] }: MetricOptions): Metric {
    const known = metrics.get(name);
    if (known !== undefined) {
      const same = known.kind === kind && known.labelNames.join() === labels.join();
      if (!same) {
        throw new Error(
          `the metric ${name} is there already, as a ${known.kind} [${known.labelNames.join()}]`,
        );
      }
      return known;
    }
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) throw new Error(`${name} can't be a metric's name`);
    if (name.endsWith("_total") !== (kind === "counter"))
      throw new Error(`${name} can't be a ${kind}'s name: a counter's ends in _total, a gauge's does not`);
    const unit = NO_BASE_UNIT.exec(name)?.[1];
    if (unit !== undefined) throw new Error(`${name} is in ${unit}: use seconds, bytes or a ratio`);
    for (const label of labels) {
      if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label)) throw new Error(`${label} can't be a label's name`);
    }
    const made = new Metric(kind, name, help, labels);
    metrics.set(name, made);
    return made;
  }

  return {
    counter: (options) => metric("counter", options),
    gauge: (options) => metric("gauge", options),
    observe(options, read) {
      metric("gauge", options).read = read;
    },
    observeTotal(options, read) {
      metric("counter", options).read = read;
    },
    render: () => Array.from(metrics.values(), (each) => each.render()).join(""),
  };
}
