/** Two organizations with own domains of every kind of rules, drawn from a seed; and the settings and tables that say them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InboundRule, MailKind, OutboundRule, OwnDomain, World } from './model.ts';
import type { Chance } from './random.ts';

export const organizations = ['acme', 'beta'] as const;
/** Routes that rules use, and one that none uses: mail comes from its server. */
export const usedRoutes = ['up', 'other', 'slow', 'down', 'gone', 'refusing', 'refusing-data'] as const;
export const spareRoute = 'spare';
/** "organization/route" of all. */
export const places = organizations.flatMap((each) => [...usedRoutes, spareRoute].map((route) => `${each}/${route}`));

/** Who exists where that is said; `info` is an alias of bob. */
export const existing: ReadonlySet<string> = new Set(['alice', 'bob', 'eve', 'info']);

const mails: readonly (readonly MailKind[])[] = [['internal'], ['external'], ['external'], ['internal', 'external']];
const all: readonly MailKind[] = ['internal', 'external'];

/** Deals the parts of rules: every combination of two parts comes up among some dozens of domains. */
function dealer(chance: Chance) {
  const route = chance.deck<string>(usedRoutes);
  const mail = chance.deck(mails);
  const isSuppressed = chance.deck([true, false]);
  const recipients = chance.deck([['existing'], ['missing'], ['existing', 'missing']] as const);
  const inboundKind = chance.deck([
    'none',
    'change',
    'change',
    'saved',
    'saved',
    'split',
    'line',
    'each kind',
  ] as const);
  const outboundKind = chance.deck(['none', 'none', 'change', 'copy', 'both', 'two copies'] as const);
  const rule = (more: Partial<InboundRule>): InboundRule => ({
    mail: mail(),
    recipients: ['existing'],
    route: route(),
    alsoSave: false,
    suppressBounces: isSuppressed(),
    ...more,
  });
  const inbound = (isListed: boolean): InboundRule[] => {
    const some = isListed ? recipients() : (['existing'] as const);
    switch (inboundKind()) {
      case 'none':
        return [];
      case 'change':
        return [rule({ recipients: some })];
      case 'saved':
        return [rule({ recipients: some, alsoSave: true })];
      case 'split':
        return isListed
          ? [rule({ mail: all, recipients: ['missing'] }), rule({ mail: all, alsoSave: true })]
          : [rule({ mail: ['external'], alsoSave: true }), rule({ mail: all })];
      case 'line':
        return [
          rule({ mail: all, suppressBounces: false, recipients: isListed ? ['existing', 'missing'] : ['existing'] }),
        ];
      case 'each kind':
        return [rule({ mail: ['internal'], recipients: some }), rule({ mail: ['external'], recipients: some })];
    }
  };
  const out = (action: OutboundRule['action'], to = route()): OutboundRule => ({ mail: mail(), action, route: to });
  /** Often by routes that the domain's own rules use too: its server is to get one copy all the same. */
  const outbound = (used: readonly InboundRule[]): OutboundRule[] => {
    const own = chance.oneIn(3) ? undefined : used.at(-1)?.route;
    switch (outboundKind()) {
      case 'none':
        return [];
      case 'change':
        return [out('change')];
      case 'copy':
        return [out('additionally', own)];
      case 'both':
        return chance.oneIn(2) ? [out('additionally'), out('change')] : sameRoute(route());
      case 'two copies':
        return [out('additionally', own), out('additionally', own)];
    }
  };
  const sameRoute = (to: string): OutboundRule[] => [out('change', to), out('additionally', to)];
  return { inbound, outbound, route };
}

/** So many own domains in each organization: "d0.acme.example" and so on. The state of the servers is the caller's. */
export function drawDomains(chance: Chance, each: number): World['domains'] {
  const deal = dealer(chance);
  const isListed = chance.deck([true, true, false]);
  const hasDetour = chance.deck([true, false, false, false, false, false]);
  const domains: Record<string, OwnDomain> = {};
  for (let at = 0; at < each; at += 1) {
    for (const organization of organizations) {
      const name = `d${at}.${organization}.example`;
      const list = isListed() ? existing : null;
      const inbound = deal.inbound(list !== null);
      domains[name] = {
        organization,
        existing: list,
        aliases: { info: `bob@${name}` },
        inbound,
        outbound: deal.outbound(inbound),
        detour: hasDetour() ? deal.route() : null,
      };
    }
  }
  return domains;
}

/** settings.yaml of a world as a value. `lists` is a directory with a file for each domain that says who exists. */
export function settingsOf(
  domains: World['domains'],
  routes: Readonly<Record<string, string>>,
  lists: string,
): Readonly<Record<string, unknown>> {
  const names = Object.keys(domains);
  const groups = organizations.flatMap((organization) => {
    const own = names.filter((name) => domains[name]?.organization === organization);
    if (own.length === 0) return [];
    const its = Object.entries(routes).filter(([place]) => place.startsWith(`${organization}/`));
    const group = {
      primaryDomain: own[0],
      routes: Object.fromEntries(its.map(([place, text]) => [place.slice(organization.length + 1), serverOf(text)])),
      domains: Object.fromEntries(own.map((name) => [name, domainSettings(name, domains, lists)])),
    };
    return [[organization, group] as const];
  });
  return { version: 1, organizations: Object.fromEntries(groups) };
}

/** Reads "{ host: 127.0.0.2, port: 4711 }". */
export function serverOf(text: string): { host: string; port: number } {
  const [, host = '', port = ''] = /host: ([\d.]+), port: (\d+)/.exec(text) ?? [];
  return { host, port: Number(port) };
}

function domainSettings(name: string, domains: World['domains'], lists: string): object {
  const own = domains[name];
  if (own === undefined) throw new Error(`no own domain ${name}`);
  return {
    ...(own.existing !== null && { recipients: [join(lists, name)] }),
    ...(own.detour !== null && {
      inboundGateway: { enabled: true, ips: ['192.0.2.250'], internalThroughGateway: own.detour },
    }),
    inboundRouting: own.inbound,
    outboundRouting: own.outbound,
  };
}

/** Writes a file of one address a line for each domain that says who exists. */
export async function writeLists(domains: World['domains'], lists: string): Promise<void> {
  for (const [name, own] of Object.entries(domains)) {
    if (own.existing === null) continue;
    await writeFile(join(lists, name), [...own.existing].map((local) => `${local}@${name}\n`).join(''));
  }
}

const inline = (entries: readonly (readonly [string, string])[]): string =>
  `inline:{ ${entries.map(([key, value]) => `{ ${key} = ${value} }`).join(', ')} }`;

/** Parameters of main.cf by which Postfix itself knows the same recipients and aliases. */
export function postfixSettings(domains: World['domains']): Record<string, string> {
  const entries = Object.entries(domains);
  const known = entries.flatMap(([name, own]) =>
    own.existing === null ? [`@${name}`] : [...own.existing].map((local) => `${local}@${name}`),
  );
  const aliases = entries.flatMap(([name, own]) =>
    Object.entries(own.aliases).map(([local, target]) => [`${local}@${name}`, target] as const),
  );
  return {
    relay_recipient_maps: inline(known.map((key) => [key, 'x'] as const)),
    virtual_alias_maps: inline(aliases),
    recipient_delimiter: '+',
  };
}
