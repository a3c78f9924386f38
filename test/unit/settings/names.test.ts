import { describe, expect, it } from 'vitest';
import { aDocument, errorsOf, withDomain, type Keys } from '../../support/builders.ts';

const NAME = 'must be 1 to 63 letters, digits, "-" or "_", with a letter or digit first and last';
const named = (organization: string) => ({
  version: 1,
  organizations: { [organization]: { primaryDomain: 'example.com', domains: { 'example.com': {} } } },
});
const withRoute = (name: string) => withDomain({}, { routes: { [name]: { host: 'a.example' } } });

describe('names', () => {
  it.each(['acme', 'A', '42', 'a-b_c', 'x'.repeat(63)])('%s is a name for organizations and routes', (name) => {
    expect(errorsOf(named(name))).toEqual([]);
    expect(errorsOf(withRoute(name))).toEqual([]);
  });

  it.each(['', '-a', 'a-', '_a', 'a b', 'a/b', 'a.b', 'é', 'x'.repeat(64), 'x\n* discard:'])('"%s" is not', (name) => {
    const escaped = name.replaceAll('/', '~1');
    expect(errorsOf(named(name))).toEqual([
      [`/organizations/${escaped}`, `is no name for an organization; it ${NAME}`],
    ]);
    expect(errorsOf(withRoute(name))).toEqual([
      [`/organizations/acme/routes/${escaped}`, `is no name for a route; it ${NAME}`],
    ]);
  });

  it('no route is called "here", which means this server', () => {
    expect(errorsOf(withRoute('here'))).toEqual([
      ['/organizations/acme/routes/here', 'means this server itself; give the route another name'],
    ]);
  });
});

describe('own domains', () => {
  it('the primary domain is one of them, in any spelling', () => {
    expect(errorsOf(aDocument({ 'EXAMPLE.com': {} }, { primaryDomain: 'example.COM.' }))).toEqual([]);
    expect(errorsOf(withDomain({}, { primaryDomain: 'sub.example.com' }))).toEqual([
      [
        '/organizations/acme/primaryDomain',
        'is sub.example.com, which is not among the domains of this organization; add "sub.example.com: {}" to its domains',
      ],
    ]);
  });

  it('each has one place, within an organization and across', () => {
    const twice: Keys = { 'example.com': {}, 'EXAMPLE.COM': {} };
    expect(errorsOf(aDocument(twice))).toEqual([
      [
        '/organizations/acme/domains/EXAMPLE.COM',
        'stands at /organizations/acme/domains/example.com already; an own domain has one place',
      ],
    ]);
    const other = { primaryDomain: 'other.example', domains: { 'other.example': {}, 'example.com': {} } };
    const acme = { primaryDomain: 'example.com', domains: { 'example.com': {} } };
    expect(errorsOf({ version: 1, organizations: { acme, other } })).toEqual([
      [
        '/organizations/other/domains/example.com',
        'stands at /organizations/acme/domains/example.com already; an own domain has one place',
      ],
    ]);
  });

  it('a name that is no domain is refused at the key, beside all else', () => {
    expect(errorsOf(aDocument({ 'example.com': {}, 'a..b': { enforcement: 1 }, '192.0.2.1': {} }))).toEqual([
      [
        '/organizations/acme/domains/a..b',
        'is no domain: it has an empty label (two dots together, or a dot at the start)',
      ],
      ['/organizations/acme/domains/a..b/enforcement', 'must be enforce or observe, not the number 1'],
      ['/organizations/acme/domains/192.0.2.1', 'is no domain: it ends in a number, as only an IP address does'],
    ]);
  });
});
