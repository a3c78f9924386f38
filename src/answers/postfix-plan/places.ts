/**
 * Places in main.cf and master.cf that Postern may change: a parameter, a service, an `-o` line of a service. Found
 * and changed in the text, every other byte kept: postconf(1) joins continuation lines, moves service lines (-M, -P),
 * takes no blanks in `-P`, and glues a new line to a last line without an end.
 * Source: postconf(5), master(5).
 */
import { BLANK, blankComments, logicalLines, onOneLine, trimBlanks, type LogicalLine } from './logical-lines.ts';

/** Both files, bytes as Latin-1. */
export type ConfigurationTexts = { readonly main: string; readonly master: string };

/** A parameter of main.cf (`service` null), a whole service (`name` null), or an `-o` line of a service. */
export type Place = { readonly service: string | null; readonly name: string | null };

/** What stands at a place, and the texts with something else there. */
export type Spot = {
  /** The bytes there, a main.cf or service line with its line end. */
  readonly raw: string;
  /** The value in it, with its comments and line breaks. */
  readonly value: string;
  readonly withRaw: (raw: string) => ConfigurationTexts;
  readonly withValue: (value: string) => ConfigurationTexts;
  /** Without it; `isJoined`: with the line end before it too, if nothing comes after. */
  readonly without: (isJoined: boolean) => ConfigurationTexts;
};

type Range = { readonly start: number; readonly end: number };
type Token = Range & { readonly text: string };

/** An `-o` line. `start` is its `-o`; `argument` what is given to it, `value` the value in that. */
export type ServiceOption = Range & {
  readonly name: string;
  readonly isBraced: boolean;
  readonly isJoined: boolean;
  readonly argument: Range;
  readonly value: Range;
};

/** A service of master.cf. `lastEnd` is where its last word ends. */
export type ServiceLine = {
  readonly id: string;
  readonly line: LogicalLine;
  /** Name, type, private, unprivileged, chroot, wake-up, process limit, command. */
  readonly fields: readonly string[];
  readonly options: readonly ServiceOption[];
  readonly lastEnd: number;
};

const splice = (text: string, { start, end }: Range, middle: string): string =>
  text.slice(0, start) + middle + text.slice(end);

/** The part of `start` to `end` between its blanks; an empty one lies at `start`. */
function coreOf(visible: string, start: number, end: number): Range {
  const text = visible.slice(start, end);
  const core = trimBlanks(text);
  if (core === '') return { start, end: start };
  const lead = text.length - text.replace(new RegExp(`^[${BLANK}]+`), '').length;
  return { start: start + lead, end: start + lead + core.length };
}

/** The text with comments in logical lines blanked, places unchanged. */
function visibleText(text: string, line: LogicalLine): string {
  return ' '.repeat(line.start) + blankComments(text.slice(line.start, line.end));
}

/** A parameter that main.cf sets; of several lines for one parameter the last counts. */
export type MainSetting = { readonly name: string; readonly line: LogicalLine; readonly value: Range };

/** What main.cf sets, in its order. */
export function mainSettings(text: string): MainSetting[] {
  const pattern = new RegExp(`^([^${BLANK}=]+)[${BLANK}]*=`);
  return logicalLines(text).flatMap((line) => {
    const visible = visibleText(text, line);
    const match = pattern.exec(visible.slice(line.start));
    if (match?.[1] === undefined) return [];
    return [{ name: match[1], line, value: coreOf(visible, line.start + match[0].length, line.end) }];
  });
}

/** The services of master.cf. */
export function serviceLines(text: string): ServiceLine[] {
  return logicalLines(text).flatMap((line) => {
    const visible = visibleText(text, line);
    const tokens = tokensOf(visible, line);
    const fields = tokens.slice(0, 8).map((token) => token.text);
    const last = tokens.at(-1);
    if (fields.length < 8 || last === undefined) return [];
    const options = optionsOf(visible, tokens.slice(8));
    return [{ id: `${fields[0] ?? ''}/${fields[1] ?? ''}`, line, fields, options, lastEnd: last.end }];
  });
}

/** Words apart at blanks, `{ … }` kept together. Source: master(5), "Command name + arguments". */
function tokensOf(visible: string, { start, end }: LogicalLine): Token[] {
  const isBlank = new RegExp(`[${BLANK}]`);
  const tokens: Token[] = [];
  let from = -1;
  let depth = 0;
  for (let at = start; at <= end; at++) {
    const character = at === end ? '\n' : visible.charAt(at);
    if (isBlank.test(character) && (depth === 0 || at === end)) {
      if (from !== -1) tokens.push({ start: from, end: at, text: visible.slice(from, at) });
      from = -1;
      continue;
    }
    if (from === -1 && at < end) from = at;
    if (character === '{') depth++;
    if (character === '}' && depth > 0) depth--;
  }
  return tokens;
}

function optionsOf(visible: string, tokens: readonly Token[]): ServiceOption[] {
  const options: ServiceOption[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] as Token;
    if (!token.text.startsWith('-o')) continue;
    const isJoined = token.text.length > 2;
    const argument = isJoined ? { start: token.start + 2, end: token.end } : tokens[++at];
    const option = argument === undefined ? null : optionOf(visible, token.start, argument, isJoined);
    if (option !== null) options.push(option);
  }
  return options;
}

function optionOf(visible: string, start: number, argument: Range, isJoined: boolean): ServiceOption | null {
  const text = visible.slice(argument.start, argument.end);
  const isBraced = text.startsWith('{') && text.endsWith('}');
  const inner = isBraced ? { start: argument.start + 1, end: argument.end - 1 } : argument;
  const equals = visible.indexOf('=', inner.start);
  if (equals === -1 || equals >= inner.end) return null;
  const name = trimBlanks(visible.slice(inner.start, equals));
  const value = coreOf(visible, equals + 1, inner.end);
  return { start, end: argument.end, name, isBraced, isJoined, argument: { ...argument }, value };
}

/** What stands at a place; null where nothing does. */
export function findSpot(texts: ConfigurationTexts, { service, name }: Place): Spot | null {
  if (service === null) return mainSpot(texts, name ?? '');
  const found = serviceLines(texts.master).findLast(({ id }) => id === service);
  if (found === undefined) return null;
  return name === null ? lineSpot(texts, 'master', found.line) : optionSpot(texts, found, name);
}

function lineSpot(texts: ConfigurationTexts, file: keyof ConfigurationTexts, line: LogicalLine, value?: Range): Spot {
  const text = texts[file];
  const change = (range: Range, middle: string): ConfigurationTexts => ({
    ...texts,
    [file]: splice(text, range, middle),
  });
  const valueRange = value ?? line;
  return {
    raw: text.slice(line.start, line.end),
    value: text.slice(valueRange.start, valueRange.end),
    withRaw: (raw) => change(line, raw),
    withValue: (next) => change(valueRange, spaced(text, valueRange, next)),
    without: (isJoined) => {
      const takesLineEnd = isJoined && line.end === text.length && text.charAt(line.start - 1) === '\n';
      return change({ start: takesLineEnd ? line.start - 1 : line.start, end: line.end }, '');
    },
  };
}

/** A value that comes right after its equals sign gets a blank before it. */
const spaced = (text: string, { start }: Range, value: string): string =>
  text.charAt(start - 1) === '=' && value !== '' ? ` ${value}` : value;

function mainSpot(texts: ConfigurationTexts, name: string): Spot | null {
  const setting = mainSettings(texts.main).findLast((each) => each.name === name);
  return setting === undefined ? null : lineSpot(texts, 'main', setting.line, setting.value);
}

function optionSpot(texts: ConfigurationTexts, service: ServiceLine, name: string): Spot | null {
  const text = texts.master;
  const option = service.options.findLast((each) => each.name === name);
  if (option === undefined) return null;
  const change = (range: Range, middle: string): ConfigurationTexts => ({
    ...texts,
    master: splice(text, range, middle),
  });
  return {
    raw: text.slice(option.start, option.end),
    value: text.slice(option.value.start, option.value.end),
    withRaw: (raw) => change(option, raw),
    withValue: (next) => {
      if (option.isBraced) return change(option.value, spaced(text, option.value, next));
      const braced = new RegExp(`[${BLANK}]`).test(next) ? `{ ${name} = ${next} }` : `${name}=${next}`;
      return change(option.argument, option.isJoined ? ` ${braced}` : braced);
    },
    without: () => {
      const before = text.slice(0, option.start).search(new RegExp(`[${BLANK}]+$`));
      return change({ start: before, end: option.end }, '');
    },
  };
}

/** The bytes to add for a new parameter, service or `-o` line. */
function renderNew({ service, name }: Place, value: string, text: string): string {
  if (service !== null && name !== null) return `\n  -o { ${name} = ${value} }`;
  const line = name === null ? value : `${name} = ${value}\n`;
  return text === '' || text.endsWith('\n') ? line : `\n${line}`;
}

/**
 * Adds a parameter or a service at the end of its file, or an `-o` line at the end of its service. `value` of a service
 * is its whole line. Gives the texts and the bytes added; null where the service of an `-o` line is not there.
 */
export function addSpot(
  texts: ConfigurationTexts,
  place: Place,
  value: string,
): { readonly texts: ConfigurationTexts; readonly added: string } | null {
  const file = place.service === null ? 'main' : 'master';
  const text = texts[file];
  const added = renderNew(place, value, text);
  if (place.service === null || place.name === null) return { texts: { ...texts, [file]: text + added }, added };
  const service = serviceLines(text).findLast(({ id }) => id === place.service);
  if (service === undefined) return null;
  const at = { start: service.lastEnd, end: service.lastEnd };
  return { texts: { ...texts, master: splice(text, at, added) }, added };
}

/** The value at a range on one line, as postconf(1) prints it. */
export const valueAt = (text: string, { start, end }: Range): string => onOneLine(text.slice(start, end));
