/**
 * What main.cf and master.cf say, as a plan needs to know it. Reads only.
 * Source: postconf(5), "$name"; master(5).
 */
import { onOneLine } from './logical-lines.ts';
import { mainSettings, serviceLines, valueAt, type ConfigurationTexts } from './places.ts';

/** A service with its `-o` lines. */
export type ViewedService = {
  /** As postconf(1) names it: `submission/inet`. */
  readonly id: string;
  readonly name: string;
  readonly command: string;
  readonly fields: readonly string[];
  readonly options: ReadonlyMap<string, string>;
};

/** Values on one line each; `defaults` holds the built-in values of parameters that are not set. */
export type PostfixView = {
  readonly main: ReadonlyMap<string, string>;
  readonly services: readonly ViewedService[];
  readonly defaults: ReadonlyMap<string, string>;
};

/** What the texts say. */
export function viewOf(texts: ConfigurationTexts, defaults: ReadonlyMap<string, string>): PostfixView {
  const services = serviceLines(texts.master).map(({ id, fields, options }) => ({
    id,
    name: fields[0] ?? '',
    command: fields[7] ?? '',
    fields,
    options: new Map(options.map(({ name, value }) => [name, valueAt(texts.master, value)])),
  }));
  const main = new Map(mainSettings(texts.main).map(({ name, value }) => [name, valueAt(texts.main, value)]));
  return { main, services, defaults };
}

/** Whether milters are off at a service. Source: postconf(5) receive_override_options. */
export const hasNoMilters = ({ options }: ViewedService): boolean =>
  /\bno_milters\b/.test(options.get('receive_override_options') ?? '');

/**
 * Whether a service takes mail back from a content filter. `names` holds the {daemon_name} values that the operator gave.
 * Source: FILTER_README, "Advanced content filter".
 */
export const isReinjection = (service: ViewedService, names: readonly string[]): boolean =>
  hasNoMilters(service) ||
  service.options.get('content_filter') === '' ||
  names.includes(service.options.get('milter_macro_daemon_name') ?? '');

const REFERENCE = /\$(?:\{(\w+)\}|\((\w+)\)|(\w+))/g;
/** Postfix refuses deeper nesting as a loop. */
const DEEPEST = 10;

/** Whether a value names other parameters. */
export const hasReference = (value: string): boolean => value.search(REFERENCE) !== -1;

/** A value with the parameters that it names, as far as they are set or have a default. */
export function expand(value: string, { main, defaults }: Pick<PostfixView, 'main' | 'defaults'>): string {
  let expanded = value;
  for (let depth = 0; depth < DEEPEST && hasReference(expanded); depth++) {
    expanded = expanded.replace(REFERENCE, (_, braced?: string, round?: string, bare?: string) => {
      const name = braced ?? round ?? bare ?? '';
      return main.get(name) ?? defaults.get(name) ?? '';
    });
  }
  return onOneLine(expanded);
}
