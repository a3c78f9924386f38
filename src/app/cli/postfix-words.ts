/** How `postern postfix` says what it found, set and took back. */
import type { Advice, ConfigurationTexts, Difference, ServiceLeft, SettledLine } from '../../answers/index.ts';
import { complain, say } from './output.ts';

/** Text of main.cf or master.cf, bytes as Latin-1, as a person reads it. */
export const lineText = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');

/** `submission/inet/smtpd_milters`, as postconf(1) names it; a parameter of main.cf by its name. */
export const placeText = ({ service, name }: Pick<Difference, 'service' | 'name'>): string =>
  [service, name].filter((part) => part !== null).join('/');

/** A line to set, with its reason. */
export function lineAsText({ service, name, value, comment }: SettledLine): string {
  if (service === null) return `# ${comment}\n${name ?? ''} = ${value}\n`;
  if (name === null) return `# In master.cf. ${comment}\n${value}`;
  return `# In master.cf, at the service ${service}. ${comment}\n  -o { ${name} = ${value} }\n`;
}

/** What is said of services that keep Postern from being asked. */
export function adviceOnServices(left: readonly ServiceLeft[]): Advice[] {
  return left.map(({ service, name, overrides, canBeChanged }): Advice => {
    const lines = overrides.map((each) => `-o ${each.name}=${lineText(each.value)}`).join(', ');
    if (!canBeChanged) {
      const text = `${service} takes mail back from a content filter: Postern must not be asked there, and it stays as it is`;
      return { severity: 'warning', text, line: null };
    }
    const text = `${service} has lines of its own (${lines}), so Postern is not asked there as in main.cf; to change them:`;
    return { severity: 'warning', text, line: `postern postfix apply --service ${name}` };
  });
}

/** Advice, one finding after the other. */
export function sayAdvice(advice: readonly Advice[]): void {
  for (const { severity, text, line } of advice) say(`${severity}: ${text}${line === null ? '' : `\n  ${line}`}`);
}

/** Advice that keeps a command from doing its work. */
export function complainOfAdvice(advice: readonly Advice[]): void {
  for (const { severity, text, line } of advice) complain(`${severity}: ${text}${line === null ? '' : `\n  ${line}`}`);
}

/** A change as it stands in the file: lines taken out with `-`, lines put in with `+`. */
export function differenceText(difference: Difference): string {
  const file = difference.service === null ? 'main.cf' : 'master.cf';
  const marked = (mark: string, text: string | null): string[] =>
    text === null
      ? []
      : lineText(text)
          .replace(/\n$/, '')
          .split('\n')
          .map((line) => `${mark}${line}`);
  const lines = [...marked('-', difference.before), ...marked('+', difference.after)];
  return `@@ ${file}: ${placeText(difference)} @@\n${lines.join('\n')}`;
}

/** A difference for `--json`. */
export const differenceJson = ({ service, name, before, after }: Difference): object => ({
  file: service === null ? 'main.cf' : 'master.cf',
  service,
  name,
  before: before === null ? null : lineText(before),
  after: after === null ? null : lineText(after),
});

/** Whether two texts are the same bytes. */
export const isSameTexts = (a: ConfigurationTexts, b: ConfigurationTexts): boolean =>
  a.main === b.main && a.master === b.master;
