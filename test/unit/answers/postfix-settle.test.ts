import { describe, expect, it } from 'vitest';
import {
  hasRoutes,
  NO_NEEDS,
  parseRecord,
  planPostfix,
  renderRecord,
  settlePlan,
  takeBackRecord,
  viewOf,
  whileChanging,
  type AppliedRecord,
  type ConfigurationTexts,
  type PostfixNeeds,
} from '../../../src/answers/index.ts';

const MASTER = 'smtp inet n - y - - smtpd\n';
const SERVICE = { name: 'postern', like: 'smtp', options: [], comment: '' };

type Applied = { readonly texts: ConfigurationTexts; readonly record: AppliedRecord | null };
type Options = {
  readonly services?: readonly string[];
  readonly door?: string;
  readonly needs?: Partial<PostfixNeeds>;
  readonly record?: AppliedRecord | null;
};

function apply(
  texts: ConfigurationTexts,
  { services = [], door = 'unix:postern', needs, record = null }: Options = {},
): Applied {
  const base = record === null ? texts : takeBackRecord(texts, record).texts;
  const doors = { policy: `${door}/policy.sock`, milter: `${door}/milter.sock`, socketmap: `${door}/map.sock` };
  const chosen = [...services, ...(record?.services ?? [])];
  const options = { services: chosen, reinjectionServices: [] };
  const plan = planPostfix(viewOf(base, new Map()), doors, options, { ...NO_NEEDS, ...needs });
  return settlePlan(texts, plan, record, '/etc/postfix');
}

/** By way of the kept text, as undo gets it. */
function undo(texts: ConfigurationTexts, record: AppliedRecord | null): ConfigurationTexts {
  const kept = parseRecord(renderRecord(record!));
  if (!kept.ok) throw new Error(kept.error);
  return takeBackRecord(texts, kept.value).texts;
}

/** main.cf files that are hard to put back byte by byte. */
const MAINS: [string, string][] = [
  ['empty', ''],
  ['a last line without an end', 'myhostname = a.example'],
  ['a touched last line without an end', 'smtpd_milters = inet:127.0.0.1:1'],
  [
    'tabs, blanks and no blanks',
    'smtpd_milters=inet:127.0.0.1:1\t \nsmtpd_recipient_restrictions \t =  permit ,,  reject ,\n',
  ],
  [
    'continuation lines with comments and empty lines between',
    'smtpd_recipient_restrictions =\n  # ours, first\n  permit_mynetworks,\n\n# at the margin\n\tcheck_policy_service { unix:x,\n   timeout=1s }\n  \n#end\nmyhostname = a\n',
  ],
  ['an empty list', 'smtpd_milters =\nsmtpd_recipient_restrictions = \nnon_smtpd_milters =   \n'],
  ['an empty list at the end', 'smtpd_milters ='],
  ['the same parameter twice', 'smtpd_milters = inet:127.0.0.1:1\nsmtpd_milters = inet:127.0.0.1:2\n'],
  ['carriage returns', 'smtpd_milters = inet:127.0.0.1:1\r\nmyhostname = a\r\n'],
  ['bytes that are no UTF-8, and a no-break space', '# Gr\xfc\xdfe\nsmtpd_banner = a\xa0b\nsmtpd_milters = x\xa0y\n'],
  [
    'our line in another place',
    'smtpd_recipient_restrictions = permit, check_policy_service unix:postern/policy.sock, reject\n',
  ],
  [
    'several instances',
    'multi_instance_enable = yes\nmulti_instance_directories = /etc/postfix-out\nmulti_instance_wrapper = ${command_directory}/postmulti -p --\n',
  ],
  ['a line that begins with blanks', '  smtpd_milters = inet:127.0.0.1:1\n'],
  ['a list of commas', 'smtpd_milters = ,\n'],
];

/** master.cf files, the same. */
const MASTERS: [string, string][] = [
  ['nothing to change', MASTER],
  ['no end of the last line', 'smtp inet n - y - - smtpd'],
  [
    "Debian's old lines",
    `${MASTER}submission inet n - y - - smtpd\n  -o syslog_name=x\n  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n# note\n  -o smtpd_milters=\n`,
  ],
  [
    'new lines',
    `${MASTER}submission inet n - y - - smtpd -o { smtpd_milters = inet:127.0.0.1:1,\n    inet:127.0.0.1:2 } -o {smtpd_recipient_restrictions=reject}\n`,
  ],
  ['lines joined to -o', `${MASTER}submission inet n - y - - smtpd -osmtpd_milters= -o smtpd_recipient_restrictions=`],
  ['no lines and trailing blanks', `${MASTER}submission  inet n\t- y - - smtpd  \t\n\n# end`],
];

describe('undo is the exact inverse of apply, and applying again changes nothing', () => {
  const needs = { tlsPolicies: true, transportMaps: ['hash:/m/transport'], services: [SERVICE] };

  it.each(MAINS.flatMap(([what, main]) => MASTERS.map(([which, master]) => [what, which, main, master] as const)))(
    'main.cf: %s; master.cf: %s',
    (_what, _which, main, master) => {
      const services = master.includes('submission') ? ['submission'] : [];
      const before = { main, master };
      for (const more of [{}, needs]) {
        const first = apply(before, { services, needs: more });
        expect(first.texts.main).not.toBe(main);
        const again = apply(first.texts, { record: first.record, needs: more });
        expect(again.texts).toEqual(first.texts);
        expect(again.record).toEqual(first.record);
        expect(undo(first.texts, first.record)).toEqual(before);
      }
    },
  );

  it('with new endpoints only the new ones stay, and undo still gives the first bytes', () => {
    const before = { main: 'smtpd_milters = inet:127.0.0.1:1\n', master: MASTERS[2]![1] };
    const first = apply(before, { services: ['submission'], needs: { tlsPolicies: true } });
    const second = apply(first.texts, { record: first.record, door: 'unix:elsewhere' });
    expect(second.texts.main + second.texts.master).not.toContain('unix:postern');
    expect(second.texts.main).not.toContain('smtp_tls_policy_maps');
    expect(second.texts.master).toContain('unix:elsewhere');
    expect(undo(second.texts, second.record)).toEqual(before);
  });

  it('a crash before or after the files were written: undo takes back what is there', () => {
    const before = { main: 'smtpd_milters = inet:127.0.0.1:1\n', master: MASTER };
    const first = apply(before, { needs: { tlsPolicies: true } });
    expect(undo(before, first.record)).toEqual(before);
    const second = apply(first.texts, { record: first.record, door: 'unix:elsewhere' });
    const kept = whileChanging(first.record, second.record);
    expect(undo(first.texts, kept)).toEqual(before);
    expect(undo(second.texts, kept)).toEqual(before);
    expect(whileChanging(first.record, null)).toBe(first.record);
    expect(whileChanging(null, first.record)).toBe(first.record);
  });

  it('what was right before is not ours: undo leaves it', () => {
    const right = apply({ main: '', master: MASTER }).texts;
    const again = apply(right);
    expect(again).toMatchObject({ texts: right, record: null });
  });
});

describe('what the administrator changed in between stays, ours goes', () => {
  const before = {
    main: 'smtpd_recipient_restrictions =\n    permit_mynetworks,\n    reject\n',
    master: MASTERS[2]![1],
  };
  const applied = apply(before, { services: ['submission'] });
  const edit = (from: string, to: string, file: keyof ConfigurationTexts = 'main'): ConfigurationTexts => {
    expect(applied.texts[file]).toContain(from);
    return { ...applied.texts, [file]: applied.texts[file].replace(from, to) };
  };

  it('a restriction added in the same list', () => {
    const edited = edit('    reject\n', '    # spam\n    reject_rbl_client zen.example,\n    reject\n');
    expect(undo(edited, applied.record)).toEqual({
      ...before,
      main: 'smtpd_recipient_restrictions =\n    permit_mynetworks,\n    # spam\n    reject_rbl_client zen.example,\n    reject\n',
    });
    const again = apply(edited, { record: applied.record });
    expect(again.texts).toEqual(edited);
  });

  it('ours moved behind others by the administrator: applying again moves it, undo takes it out', () => {
    const ours = /check_policy_service \{.*?\} \}, /.exec(applied.texts.main)![0];
    const edited = {
      ...applied.texts,
      main: applied.texts.main.replace(ours, '').replace('    reject\n', `    reject, ${ours}\n`),
    };
    expect(undo(edited, applied.record).main).toBe(
      'smtpd_recipient_restrictions =\n    permit_mynetworks,\n    reject, \n',
    );
    const again = apply(edited, { record: applied.record });
    expect(again.texts.main).toContain(`=\n    ${ours}permit_mynetworks,\n    reject`);
  });

  it('a parameter that was not set, with an item of the administrator: his item stays', () => {
    const edited = edit('\nsmtpd_milters = {', '\nsmtpd_milters = inet:127.0.0.1:1, {');
    expect(undo(edited, applied.record).main).toBe(`${before.main}smtpd_milters = inet:127.0.0.1:1\n`);
    const emptied = { ...applied.texts, main: applied.texts.main.replace(/^smtpd_milters = .*$/m, 'smtpd_milters =') };
    expect(undo(emptied, applied.record)).toEqual(before);
    const removed = { ...applied.texts, main: applied.texts.main.replace(/^smtpd_milters = .*\n/m, '') };
    expect(undo(removed, applied.record)).toEqual(before);
  });

  it('lines before, between and after ours stay', () => {
    const edited = edit('\nsmtpd_milters', '\n# mine\nmynetworks = 10.0.0.0/8\nsmtpd_milters');
    const back = undo({ ...edited, main: `${edited.main}relayhost = x\n` }, applied.record);
    expect(back.main).toBe(`${before.main}# mine\nmynetworks = 10.0.0.0/8\nrelayhost = x\n`);
  });

  it('-o lines of a service', () => {
    const edited = edit(
      'permit_sasl_authenticated,reject }',
      'permit_sasl_authenticated, permit_mynetworks, reject }',
      'master',
    );
    expect(undo(edited, applied.record).master).toBe(
      before.master.replace(
        'smtpd_recipient_restrictions=permit_sasl_authenticated,reject',
        '{ smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks, reject }',
      ),
    );
    const gone = { ...applied.texts, master: MASTER };
    expect(undo(gone, applied.record).master).toBe(MASTER);
    expect(apply(gone, { record: { ...applied.record!, services: [] } }).texts.master).toBe(MASTER);
  });

  it('a copied milter list of a submission service that gained a milter keeps its -o line', () => {
    const plain = { main: 'smtpd_milters = inet:127.0.0.1:1\n', master: `${MASTER}submission inet n - y - - smtpd\n` };
    const { texts, record } = apply(plain);
    const edited = {
      ...texts,
      master: texts.master.replace('inet:127.0.0.1:1, {', 'inet:127.0.0.1:1, inet:127.0.0.1:2, {'),
    };
    expect(undo(edited, record).master).toBe(
      `${MASTER}submission inet n - y - - smtpd\n  -o { smtpd_milters = inet:127.0.0.1:1, inet:127.0.0.1:2 }\n`,
    );
    const shorter = {
      ...texts,
      master: texts.master.replace('{ smtpd_milters = inet:127.0.0.1:1,', '{ smtpd_milters = inet:127.0.0.1:1  ,'),
    };
    expect(undo(shorter, record)).toEqual(plain);
  });

  it('a map of ours that was moved stays there', () => {
    const needs = { transportMaps: ['hash:/m/transport'] };
    const first = apply({ main: 'transport_maps = hash:/hand\n', master: MASTER }, { needs });
    expect(first.texts.main).toContain('transport_maps = hash:/m/transport, hash:/hand\n');
    const moved = {
      ...first.texts,
      main: first.texts.main.replace('hash:/m/transport, hash:/hand', 'hash:/hand hash:/m/transport'),
    };
    const again = apply(moved, { needs, record: first.record });
    expect(again.texts).toEqual(moved);
    expect(undo(moved, again.record).main).toBe('transport_maps = hash:/hand\n');
    const without = apply(moved, { record: again.record });
    expect(without.texts.main).toMatch(/^transport_maps = hash:\/hand\n/);
  });

  it('a service of ours goes as a whole, and a changed one is left while it is wanted', () => {
    const needs = { services: [SERVICE] };
    const plain = { main: '', master: 'smtp inet n - y - - smtpd' };
    const first = apply(plain, { needs });
    const changed = {
      ...first.texts,
      master: first.texts.master.replace('- smtp\n', '5 smtp\n  -o smtp_helo_timeout=5\n'),
    };
    expect(changed).not.toEqual(first.texts);
    expect(apply(changed, { needs, record: first.record }).texts).toEqual(changed);
    expect(undo(changed, first.record)).toEqual(plain);
    expect(hasRoutes(first.record!)).toBe(true);
    expect(hasRoutes(apply(plain).record!)).toBe(false);
    const other = apply(first.texts, {
      needs: { services: [{ ...SERVICE, options: [{ name: 'a', value: 'b' }] }] },
      record: first.record,
    });
    expect(other.texts.master).toBe('smtp inet n - y - - smtpd\npostern unix - - n - - smtp\n  -o { a = b }\n');
  });
});

describe('the record', () => {
  const record = apply({ main: '', master: MASTER }).record!;

  it('stands alone: it holds our items as text, and reads back as it was', () => {
    expect(parseRecord(renderRecord(record))).toEqual({ ok: true, value: record });
    expect(record.changes[0]).toMatchObject({
      service: null,
      name: 'smtpd_recipient_restrictions',
      original: null,
      items: [expect.stringContaining('check_policy_service { unix:postern/policy.sock')],
    });
    const later = {
      ...record,
      remark: 'of a later Postern',
      changes: record.changes.map((change) => ({ ...change, why: 'x' })),
    };
    expect(parseRecord(JSON.stringify(later))).toMatchObject({ ok: true });
  });

  it.each([
    ['{', 'it is not JSON'],
    ['null', 'it is not a record'],
    ['7', 'it is not a record'],
    ['{}', 'a part of it is missing'],
    [JSON.stringify({ ...record, format: 2 }), 'its format 2 is of a later Postern'],
    [JSON.stringify({ ...record, configDirectory: 1 }), 'a part of it is missing'],
    [JSON.stringify({ ...record, services: [1] }), 'a part of it is missing'],
    [JSON.stringify({ ...record, changes: {} }), 'a part of it is missing'],
    [JSON.stringify({ ...record, changes: [null] }), 'a part of it is missing'],
    ...(['service', 'name', 'kind', 'items', 'valueIfUnset', 'original', 'written'] as const).map(
      (key): [string, string] => [
        JSON.stringify({ ...record, changes: [{ ...record.changes[0], [key]: 1 }] }),
        'a part of it is missing',
      ],
    ),
  ])('%s: %s', (text, error) => {
    expect(parseRecord(text)).toEqual({ ok: false, error });
  });
});
