import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { addressReadings, displayDomain, parseAddress, parseDomain, parseDuration } from '../../../src/mail/index.ts';
import { validateOperatorFile } from '../../../src/operator/index.ts';
import { fromPointer, nameOfPlace, toPointer, validate, type SettingsIssue } from '../../../src/settings/index.ts';
import { checkPattern } from '../../../src/snapshot/index.ts';
import { EVERYTHING } from '../../support/builders.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Values as a document may hold them at a wrong place: other types, and texts that are nearly right. */
const odd: fc.Arbitrary<Json> = fc.oneof(
  fc.jsonValue() as fc.Arbitrary<Json>,
  fc.constantFrom<Json>(
    null,
    {},
    [],
    '',
    0,
    -1,
    1e300,
    true,
    '*',
    '([',
    '192.0.2.7/24',
    '2027-02-30',
    '10',
    '__proto__',
    'here',
    'a..b',
  ),
  fc.constantFrom<Json>(
    ['x'],
    [null],
    { ip: '192.0.2.1' },
    { file: 'x', expires: 'y' },
    { host: '0.0.0.0', mx: true },
    { map: 'x' },
  ),
  fc.string({ unit: 'binary' }),
);

const isGroup = (value: Json): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The document with one place changed: the path is walked by index, so that any number names a place. */
function changed(document: Json, path: readonly number[], value: Json, rename: string | null): Json {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (Array.isArray(document) && document.length > 0) {
    const at = head % document.length;
    return document.map((item, index) => (index === at ? changed(item, rest, value, rename) : item));
  }
  if (!isGroup(document) || Object.keys(document).length === 0) return value;
  const entries = Object.entries(document);
  const at = head % entries.length;
  return Object.fromEntries(
    entries.map(([key, item], index) => {
      if (index !== at) return [key, item];
      return rest.length === 0 && rename !== null ? [rename, item] : [key, changed(item, rest, value, rename)];
    }),
  );
}

const change = fc.record({
  path: fc.array(fc.nat(30), { maxLength: 8 }),
  value: odd,
  rename: fc.option(fc.string({ maxLength: 20 })),
});

function expectTotal(issues: readonly SettingsIssue[], isRefused: boolean): void {
  expect(isRefused).toBe(issues.some(({ severity }) => severity === 'error'));
  for (const { pointer, message } of issues) {
    expect(toPointer(fromPointer(pointer))).toBe(pointer);
    expect(message).not.toMatch(/\p{Cc}|undefined|NaN|\[object|Invalid input/u);
    expect(nameOfPlace(pointer)).not.toMatch(/\p{Cc}/u);
  }
}

describe('validate', () => {
  it('gives settings or at least one error for any value, and never throws', () => {
    fc.assert(
      fc.property(odd, (value) => {
        const { settings, issues } = validate(value, checkPattern);
        expectTotal(issues, settings === null);
      }),
      { numRuns: 2000 },
    );
  });

  it('the same for a good document with places changed, and twice asked it says the same', () => {
    const good = parse(EVERYTHING) as Json;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        const document = changes.reduce<Json>(
          (before, { path, value, rename }) => changed(before, path, value, rename),
          good,
        );
        const validation = validate(document, checkPattern);
        expectTotal(validation.issues, validation.settings === null);
        expect(validate(document, checkPattern)).toEqual(validation);
      }),
      { numRuns: 3000 },
    );
  });

  it('a fault more hides no other: the errors of two changed places hold those of each alone', () => {
    const good = parse(EVERYTHING) as Json;
    // Single lists of one domain, so that the two places neither contain nor explain each other.
    const places = [
      ['enforcement', 'x'],
      ['recipients', 5],
      ['allowedIps', ['1.1.1.1/33', null]],
      ['blockedIps', [{ ip: '192.0.2.1', expires: 'x' }]],
      ['autoBlock', { after: 0 }],
      ['inboundGateway', { enabled: true, ips: ['10.0.0.0/8'], spamPattern: '([' }],
      ['outboundRouting', [{ mail: ['external'], action: 'change', route: 'nowhere' }, 7]],
      ['dkim', { selector: '-' }],
      ['tls', [{ title: '', applyTo: ['incoming'], trustedCa: true, domains: ['*'] }]],
      ['unknown', 1],
    ] as const;
    const errors = (keys: readonly (readonly [string, unknown])[]): string[] => {
      const document = structuredClone(good) as { organizations: { acme: { domains: { 'example.com': object } } } };
      Object.assign(document.organizations.acme.domains['example.com'], Object.fromEntries(keys));
      return validate(document, checkPattern)
        .issues.filter(({ severity }) => severity === 'error')
        .map(({ pointer, message }) => `${pointer} ${message}`);
    };
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...places), { minLength: 2 }), (chosen) => {
        const together = errors(chosen);
        for (const one of chosen) {
          const alone = errors([one]);
          expect(alone.length).toBeGreaterThan(0);
          // A domain without recipients has no "missing"; only that explains a fault away.
          expect(together).toEqual(expect.arrayContaining(alone));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("the operator's file", () => {
  const good: Json = {
    settings: 'settings.yaml',
    listen: { policy: ['127.0.0.1:1', 'unix:/p'], admin: '[::1]:1' },
    maps: { directory: 'x', type: 'hash' },
    trustedNetworks: ['::1', '10.0.0.0/8'],
    dns: { servers: ['127.0.0.1:53'] },
    socket: { mode: '0660' },
  };

  it('is read or refused, whatever is in it, and never throws', () => {
    fc.assert(
      fc.property(odd, fc.array(change, { maxLength: 4 }), fc.boolean(), (value, changes, whole) => {
        const document = changes.reduce<Json>(
          (before, { path, value: item, rename }) => changed(before, path, item, rename),
          whole ? value : good,
        );
        const { file, issues } = validateOperatorFile(document);
        expectTotal(issues, file === null);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the words of mail', () => {
  const nearDomain = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          'a',
          'b-',
          'xn--',
          'xn--bcher-kva',
          'xn--0',
          'ü',
          'İ',
          'ß',
          '1',
          '*',
          '%41',
          '%',
          '!',
          '"',
          '/',
          '@',
          '_',
          '\u200b',
          ' ',
        ),
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join(''));
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(nearDomain, { maxLength: 5 }).map((labels) => labels.join('.')),
  );

  it('parseDomain never throws; what it gives is ASCII, short enough, and itself again', () => {
    fc.assert(
      fc.property(text, (typed) => {
        const domain = parseDomain(typed);
        if (!domain.ok) {
          expect(domain.error).not.toBe('');
          return;
        }
        expect(domain.value).toMatch(/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/);
        expect(domain.value.length).toBeLessThanOrEqual(253);
        expect(parseDomain(domain.value)).toEqual(domain);
        expect(displayDomain(domain.value)).not.toBe('');
      }),
      { numRuns: 5000 },
    );
  });

  it('parseAddress never throws, loses nothing, and is itself again', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.tuple(text, text).map(([local, domain]) => `<${local}@${domain}>`),
        ),
        (typed) => {
          const address = parseAddress(typed);
          if (address === null) {
            expect(['', '<>']).toContain(typed);
            return;
          }
          expect(typed).toContain(address.text);
          expect(address.text).toContain(address.localPart);
          expect([...addressReadings(address)].length).toBeLessThanOrEqual(typed.length + 1);
          if (!/^<.*>$/s.test(address.text)) expect(parseAddress(address.text)).toEqual(address);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('parseDuration never throws', () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.stringMatching(/^[0-9]{0,7}[smhdwx]?$/)), (typed) => {
        const span = parseDuration(typed);
        if (span.ok) expect(span.value).toBeGreaterThanOrEqual(1000);
      }),
    );
  });
});
