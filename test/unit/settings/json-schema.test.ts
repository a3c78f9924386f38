import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { settingsJsonSchema } from '../../../src/settings/index.ts';
import { errorsOf, EVERYTHING, inDomain, withDomain } from '../../support/builders.ts';

type Schema = {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly default?: unknown;
  readonly description?: string;
};

const KNOWN = new Set([
  ...['type', 'const', 'enum', 'anyOf', 'properties', 'required', 'additionalProperties', 'items', 'minItems'],
  ...['maxItems', 'minLength', 'maxLength', 'minimum', 'maximum', 'pattern', 'default', 'description', 'title'],
  ...['$schema', 'propertyNames'],
]);

/** The places where a value breaks the schema: the part of JSON Schema that the export uses, and nothing else. */
function breaks(schema: Schema, value: unknown, path = ''): string[] {
  const unknown = Object.keys(schema).filter((keyword) => !KNOWN.has(keyword));
  if (unknown.length > 0) throw new Error(`the walk does not know ${unknown.join(', ')}`);
  if (schema.anyOf !== undefined) return schema.anyOf.some((one) => breaks(one, value).length === 0) ? [] : [path];
  if ('const' in schema && value !== schema.const) return [path];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [path];
  switch (schema.type) {
    case 'object':
      return breaksOfObject(schema, value, path);
    case 'array': {
      if (!Array.isArray(value)) return [path];
      const isSized = value.length >= (schema.minItems ?? 0) && value.length <= (schema.maxItems ?? Infinity);
      return [
        ...(isSized ? [] : [path]),
        ...value.flatMap((item, index) => breaks(schema.items ?? {}, item, `${path}/${index}`)),
      ];
    }
    case 'string': {
      if (typeof value !== 'string') return [path];
      const length = Array.from(value).length;
      const isSized = length >= (schema.minLength ?? 0) && length <= (schema.maxLength ?? Infinity);
      return isSized && new RegExp(schema.pattern ?? '', 'u').test(value) ? [] : [path];
    }
    case 'integer':
    case 'number': {
      const isNumber = typeof value === 'number' && (schema.type === 'number' || Number.isInteger(value));
      return isNumber && value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity) ? [] : [path];
    }
    case 'boolean':
      return typeof value === 'boolean' ? [] : [path];
    default:
      throw new Error(`the walk does not know the type ${schema.type ?? 'none'} at ${path}`);
  }
}

function breaksOfObject(schema: Schema, value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  const missing = (schema.required ?? []).filter((key) => !Object.hasOwn(value, key)).map((key) => `${path}/${key}`);
  const below = Object.entries(value).flatMap(([key, item]) => {
    const one = schema.properties?.[key] ?? schema.additionalProperties;
    return one === false || one === undefined ? [`${path}/${key}`] : breaks(one, item, `${path}/${key}`);
  });
  return [...missing, ...below];
}

/** The names of all keys, wherever they stand; `*` for the members of a group by name. */
function keysOf(schema: Schema): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, one]) => [
    key,
    ...keysOf(one).map((deeper) => `${key}.${deeper}`),
  ]);
  const members =
    schema.additionalProperties === undefined || schema.additionalProperties === false
      ? []
      : keysOf(schema.additionalProperties);
  const items = [...(schema.items === undefined ? [] : [schema.items]), ...(schema.anyOf ?? [])].flatMap(keysOf);
  return [...new Set([...own, ...members.map((key) => `*.${key}`), ...items])];
}

const schema = settingsJsonSchema() as Schema;

describe('the JSON Schema of the settings', () => {
  it('takes the document that has every key', () => {
    expect(breaks(schema, parse(EVERYTHING))).toEqual([]);
  });

  it('says what it is', () => {
    expect(settingsJsonSchema()).toMatchObject({
      title: 'Postern settings',
      $schema: 'https://json-schema.org/draft/2020-12/schema',
    });
  });

  it('names every key', () => {
    const domain = 'organizations.*.domains.*';
    expect(
      keysOf(schema)
        .filter((key) => !key.endsWith('*'))
        .sort(),
    ).toEqual(
      [
        'version',
        'provider',
        'provider.sharedDomains',
        'provider.signingDomain',
        'organizations',
        ...['primaryDomain', 'domains', 'routes'].map((key) => `organizations.*.${key}`),
        ...['host', 'port', 'mx', 'tls', 'certificateName', 'description'].map(
          (key) => `organizations.*.routes.*.${key}`,
        ),
        ...[
          'enforcement',
          'recipients',
          'recipients.map',
          'autoBlock',
          'autoBlock.after',
          'autoBlock.within',
          'autoBlock.for',
        ].map((key) => `${domain}.${key}`),
        ...['allowedIps', 'blockedIps']
          .flatMap((list) => [list, ...['ip', 'note', 'expires', 'file'].map((key) => `${list}.${key}`)])
          .map((key) => `${domain}.${key}`),
        `${domain}.inboundGateway`,
        ...[
          'enabled',
          'ips',
          'onlyFromGateway',
          'internalThroughGateway',
          'spamPattern',
          'skipSpamFilter',
          'blockedBehindGateway',
        ].map((key) => `${domain}.inboundGateway.${key}`),
        `${domain}.inboundRouting`,
        ...['mail', 'recipients', 'route', 'alsoSave', 'suppressBounces'].map(
          (key) => `${domain}.inboundRouting.${key}`,
        ),
        `${domain}.outboundRouting`,
        ...['mail', 'action', 'route'].map((key) => `${domain}.outboundRouting.${key}`),
        `${domain}.dkim`,
        `${domain}.dkim.selector`,
        `${domain}.dkim.bits`,
        `${domain}.tls`,
        ...['title', 'applyTo', 'domains', 'trustedCa', 'hostnameMatch'].map((key) => `${domain}.tls.${key}`),
      ].sort(),
    );
  });

  it('carries the limits and defaults for forms', () => {
    const route = (schema.properties?.['organizations']?.additionalProperties as Schema).properties?.['routes']
      ?.additionalProperties as Schema;
    expect(route.properties?.['port']).toMatchObject({ type: 'integer', minimum: 1, maximum: 65_535, default: 25 });
    expect(route.properties?.['description']).toMatchObject({ maxLength: 500, description: 'what the route is for' });
    expect(route.required).toEqual(['host']);
  });

  it.each([
    ['version', { version: 2, organizations: {} }, '/version'],
    ['an unknown key', withDomain({ gatewayOnyl: true }), inDomain('gatewayOnyl')],
    ['a wrong type', withDomain({ inboundGateway: { enabled: 'yes' } }), inDomain('inboundGateway/enabled')],
    ['a missing key', withDomain({ autoBlock: { after: 1, within: '1m' } }), inDomain('autoBlock/for')],
    ['an entry that is nothing', withDomain({ allowedIps: [{ note: 'x' }] }), inDomain('allowedIps/0')],
    [
      'a note that is too long',
      withDomain({ tls: [{ title: 'x'.repeat(201), applyTo: ['incoming'], domains: ['a.example'] }] }),
      inDomain('tls/0/title'),
    ],
    ['a selector', withDomain({ dkim: { selector: '-a' } }), inDomain('dkim/selector')],
    [
      '31 policies',
      withDomain({
        tls: Array.from({ length: 31 }, () => ({ title: 'x', applyTo: ['incoming'], domains: ['a.example'] })),
      }),
      inDomain('tls'),
    ],
  ])('refuses %s where the settings do', (_, document, pointer) => {
    expect(breaks(schema, document)).toEqual([pointer]);
    expect(errorsOf(document)).not.toEqual([]);
  });
});
