/**
 * Edits of generated settings: the result means exactly what was meant, no comment is lost, and no line changes but
 * those that must.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { editYamlText, type ListEdit } from '../../../src/adapters/store-embedded/splice.ts';
import { parseYamlText } from '../../../src/adapters/store-embedded/yaml-text.ts';

type Entry = string | { ip: string; note: string };
type Layout = 'indented' | 'flush' | 'tall' | 'flow' | 'flow lines' | 'empty' | 'absent';
type ListPlan = { readonly layout: Layout; readonly entries: readonly Entry[]; readonly comments: readonly boolean[] };
type DomainPlan = { readonly allowedIps: ListPlan; readonly blockedIps: ListPlan; readonly extra: boolean };
type Plan = { readonly domains: readonly DomainPlan[]; readonly crlf: boolean; readonly finalBreak: boolean };

let counter = 0;
const freshIp = (): string => `10.${(counter >> 16) & 255}.${(counter >> 8) & 255}.${counter++ & 255}`;
const note = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom(
    'a: b',
    '# no comment',
    "it's",
    'said "x"',
    '{a}, [b]',
    ' spaces ',
    '- dash',
    '*alias',
    '!tag',
    'ends:',
    '',
  ),
);
const entry = fc.oneof(
  fc.constant(null).map(freshIp),
  note.map((text): Entry => ({ ip: freshIp(), note: text })),
);
const listPlan: fc.Arbitrary<ListPlan> = fc.record({
  layout: fc.constantFrom<Layout>('indented', 'flush', 'tall', 'flow', 'flow lines', 'empty', 'absent'),
  // From some length on, runs of plain lines are folded.
  entries: fc.oneof(fc.array(entry, { minLength: 1, maxLength: 4 }), fc.array(entry, { minLength: 9, maxLength: 24 })),
  comments: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
});
const plan: fc.Arbitrary<Plan> = fc.record({
  domains: fc.array(fc.record({ allowedIps: listPlan, blockedIps: listPlan, extra: fc.boolean() }), {
    minLength: 1,
    maxLength: 3,
  }),
  crlf: fc.boolean(),
  finalBreak: fc.boolean(),
});
const changes = fc.array(
  fc.record({
    domain: fc.nat(2),
    list: fc.constantFrom('allowedIps' as const, 'blockedIps' as const),
    add: fc.array(entry, { minLength: 1, maxLength: 3 }),
    /** Which entries to remove, as bits; 0 appends. */
    remove: fc.nat(15),
  }),
  { minLength: 1, maxLength: 5 },
);

const ipOf = (item: Entry): string => (typeof item === 'string' ? item : item.ip);
const textOf = (item: Entry): string =>
  typeof item === 'string' ? item : `{ ip: ${item.ip}, note: ${JSON.stringify(item.note)} }`;

/** Lines of a list; a comment `# on <ip>` belongs to that entry, every other comment to nobody. */
function listLines(key: string, { layout, entries, comments }: ListPlan, indent: string): string[] {
  if (layout === 'absent') return [];
  const behind = (index: number, item: Entry): string => (comments[index] ? ` # on ${ipOf(item)}` : '');
  const free = (index: number, where: string): string[] => (comments[index] ? [`${where}# free ${counter++}`] : []);
  if (layout === 'empty') return [`${indent}${key}: []${comments[0] ? ` # free ${counter++}` : ''}`];
  if (layout === 'flow')
    return [`${indent}${key}: [${entries.map(textOf).join(', ')}]${comments[0] ? ` # free ${counter++}` : ''}`];
  if (layout === 'flow lines') {
    const last = entries.length - 1;
    const comma = (index: number): string => (index < last || comments[10] ? ',' : '');
    return [
      `${indent}${key}: [`,
      ...entries.flatMap((item, index) => [
        ...free(index + 5, `${indent}  `),
        `${indent}  ${textOf(item)}${comma(index)}${behind(index, item)}`,
      ]),
      `${indent}]`,
    ];
  }
  const dash = layout === 'flush' ? `${indent}- ` : `${indent}  - `;
  return [
    `${indent}${key}:${comments[9] ? ` # free ${counter++}` : ''}`,
    ...entries.flatMap((item, index) => [
      ...free(index + 5, dash.replace('- ', '')),
      ...(layout === 'tall' && typeof item !== 'string'
        ? [`${dash}ip: ${item.ip}${behind(index, item)}`, `${dash.replace('-', ' ')}note: ${JSON.stringify(item.note)}`]
        : [`${dash}${textOf(item)}${behind(index, item)}`]),
    ]),
    ...(comments[11] ? [`${dash.replace('- ', '')}# free ${counter++}`] : []),
  ];
}

function render({ domains, crlf, finalBreak }: Plan): string {
  const lines = ['# free top', 'version: 1', '', 'domains: # free'];
  domains.forEach((domain, index) => {
    const body = [
      ...(domain.extra ? ['    enforcement: "observe" # free'] : []),
      ...listLines('allowedIps', domain.allowedIps, '    '),
      '',
      ...listLines('blockedIps', domain.blockedIps, '    '),
    ];
    const isEmpty = body.every((line) => line.trim() === '');
    lines.push(...(isEmpty ? [`  d${index}: {} # free d${index}`] : [`  d${index}:`, ...body]));
  });
  lines.push('# free end', "last: ''");
  const eol = crlf ? '\r\n' : '\n';
  return lines.join(eol) + (finalBreak ? eol : '');
}

/** Lines of `before` that `after` has not, both read in order (longest common subsequence). */
function lostLines(before: readonly string[], after: readonly string[]): number {
  let row = Array<number>(after.length + 1).fill(0);
  for (const line of before) {
    const next = [0];
    after.forEach((other, index) =>
      next.push(line === other ? (row[index] ?? 0) + 1 : Math.max(next[index] ?? 0, row[index + 1] ?? 0)),
    );
    row = next;
  }
  return before.length - (row.at(-1) ?? 0);
}

const commentsIn = (text: string): string[] => [...text.matchAll(/# (?:free|on)[^\r\n]*/g)].map(([comment]) => comment);

type Model = { domains: Record<string, Record<string, Entry[] | undefined>> };

function checkEdit(before: string, after: string, removed: readonly Entry[], isAppend: boolean): void {
  const gone = new Set(removed.map((item) => `# on ${ipOf(item)}`));
  const left = new Set(commentsIn(after));
  expect(commentsIn(before).filter((comment) => !left.has(comment) && !gone.has(comment))).toEqual([]);
  // One line may change: that of brackets, of a key that is left empty, or one that needs a comma. An entry has two at most.
  // Empty brackets over two lines are opened up.
  const most = isAppend ? (/\[\s*\n\s*\]/.test(before) ? 2 : 1) : 1 + 2 * removed.length;
  expect(lostLines(before.split('\n'), after.split('\n'))).toBeLessThanOrEqual(before.endsWith('\n') ? most : most + 1);
  if (before.includes('\r\n')) expect(after.replaceAll('\r\n', '')).not.toContain('\n');
}

it('any edits of any layout mean what was meant and touch nothing else', { timeout: 600_000 }, () => {
  fc.assert(
    fc.property(plan, changes, (generated, edits) => {
      let text = render(generated);
      const model = parse(text) as Model;
      for (const { domain, list, add, remove } of edits) {
        const name = `d${domain % generated.domains.length}`;
        const own = (model.domains[name] ??= {});
        const present = own[list] ?? [];
        const indexes = new Set([...present.keys()].filter((index) => ((remove >> index) & 1) === 1));
        const pointer = `/domains/${name}/${list}`;
        const isAppend = indexes.size === 0;
        const change: ListEdit = isAppend
          ? { kind: 'append', pointer, entries: add }
          : { kind: 'remove', pointer, indexes };
        const after = editYamlText(parseYamlText('s.yaml', text), change).text;
        own[list] = isAppend ? [...present, ...add] : present.filter((_, index) => !indexes.has(index));
        expect(parse(after)).toEqual(model);
        checkEdit(text, after, isAppend ? [] : present.filter((_, index) => indexes.has(index)), isAppend);
        text = after;
      }
    }),
    { numRuns: process.env['POSTERN_PROOF'] === 'whole' ? 10_000 : 1500 },
  );
});
