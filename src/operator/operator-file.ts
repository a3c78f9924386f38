/**
 * What the operator says in `postern.yaml`: where Postern listens, what it keeps, what it may trust.
 * Paths stay as written; whoever read the file resolves them.
 */
import { z } from 'zod';
import { domainName, ipRange, Issues, readObject, type SettingsIssue } from '../settings/index.ts';
import { checkDnsServer, parseListener, type Listener } from './listener.ts';

const DOORS = ['policy', 'milter', 'milterAfterFilter', 'socketmap', 'admin', 'metrics'] as const;

/** Where each door listens when the file has no `listen`; the second milter door only where it is asked for. */
const DEFAULT_LISTEN = {
  policy: '127.0.0.1:10040',
  milter: '127.0.0.1:10041',
  socketmap: '127.0.0.1:10042',
  admin: '127.0.0.1:10080',
  metrics: '127.0.0.1:10043',
} as const;

const listener = z
  .string({ error: 'must be a place to listen, such as 127.0.0.1:10040' })
  .transform((typed, context): Listener => {
    const parsed = parseListener(typed);
    if (parsed.ok) return parsed.value;
    context.issues.push({ code: 'custom', message: parsed.error, input: typed });
    return z.NEVER;
  });

const listeners = z
  .union(
    [
      listener.transform((one) => [one]),
      z.array(listener).min(1, { error: 'is empty; leave the door out to keep it shut' }),
    ],
    { error: 'must be a place to listen, such as 127.0.0.1:10040, or a list of them' },
  )
  .optional();

const path = (error: string): z.ZodString => z.string({ error }).min(1, { error });
const DIRECTORY = 'must be the path of a directory';

const listen = z
  .strictObject(
    {
      policy: listeners,
      milter: listeners,
      milterAfterFilter: listeners,
      socketmap: listeners,
      admin: listeners,
      metrics: listeners,
    },
    { error: 'must be a group of doors, such as { policy: 127.0.0.1:10040 }' },
  )
  .describe('where each door listens; with it, a door that is not named is shut');

const maps = z
  .strictObject(
    {
      directory: path(DIRECTORY).default('./maps'),
      type: z
        .enum(['auto', 'lmdb', 'cdb', 'hash', 'texthash'], { error: 'must be auto, lmdb, cdb, hash or texthash' })
        .default('auto'),
    },
    { error: 'must be a group of keys, such as { directory: ./maps, type: auto }' },
  )
  .default({ directory: './maps', type: 'auto' })
  .describe('where map files for Postfix are written, and of which type');

const postfix = z
  .strictObject(
    {
      configDirectory: path(DIRECTORY).default('/etc/postfix'),
      logFile: path('must be the path of the file that Postfix logs to').optional(),
    },
    { error: 'must be a group of keys, such as { configDirectory: /etc/postfix }' },
  )
  .default({ configDirectory: '/etc/postfix' })
  .describe(
    'the Postfix beside this process; logFile absent: its maillog_file, else /var/log/mail.log or /var/log/maillog',
  );

const dnsServer = z.string({ error: 'must be an address such as 127.0.0.1:53' }).superRefine((typed, context) => {
  const fault = checkDnsServer(typed);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});

const dns = z
  .strictObject(
    {
      servers: z
        .array(dnsServer, { error: 'must be a list of addresses, such as [127.0.0.1:53]' })
        .min(1, { error: "is empty; leave the key out for the system's servers" }),
    },
    { error: 'must be a group of keys, such as { servers: [127.0.0.1:53] }' },
  )
  .optional()
  .describe("the DNS servers to ask; absent: the system's");

const OCTAL_MODE = 'must be an octal mode in quotes, such as "0660"';

const socket = z
  .strictObject(
    {
      group: path('must be the name of a group').optional(),
      mode: z
        .string({ error: OCTAL_MODE })
        .regex(/^0?[0-7]{3}$/, { error: OCTAL_MODE })
        .default('0660'),
    },
    { error: 'must be a group of keys, such as { group: postfix, mode: "0660" }' },
  )
  .default({ mode: '0660' })
  .describe('group and mode of unix sockets');

const operatorDocument = z.strictObject(
  {
    listen: listen.optional(),
    settings: path('must be the path of the settings file, such as settings.yaml').describe('the settings file'),
    state: path(DIRECTORY).default('./state').describe('key store, history, last good settings'),
    maps,
    postfix,
    trustedNetworks: z
      .array(ipRange, { error: 'must be a list of IP addresses and ranges' })
      .optional()
      .describe("clients trusted by their address; absent: Postfix's mynetworks where it can be read, else loopback"),
    authservId: domainName(
      'the name that Authentication-Results fields carry; absent: the host name of Postfix',
    ).optional(),
    dns,
    internalDomain: domainName('the domain of encoded recipients; it exists nowhere in DNS').prefault(
      'route.postern.internal',
    ),
    reinjectionServices: z
      .array(path('must be the {daemon_name} of a service'), { error: 'must be a list of {daemon_name} values' })
      .default([])
      .describe('{daemon_name} of services that take mail back from a content filter'),
    socket,
  },
  { error: 'must be the settings of the operator, at least "settings: settings.yaml"' },
);

type Document = z.output<typeof operatorDocument>;

/** The doors and their listeners; a shut door has none. */
export type Doors = { readonly [D in (typeof DOORS)[number]]: readonly Listener[] };

/** The doors with something done to the listeners of each. */
export const mapDoors = (doors: Doors, map: (listeners: readonly Listener[]) => readonly Listener[]): Doors =>
  makeDoors((door) => map(doors[door]));

const makeDoors = (listenersOf: (door: (typeof DOORS)[number]) => readonly Listener[]): Doors =>
  Object.fromEntries(DOORS.map((door) => [door, listenersOf(door)])) as Doors;

/** The operator's file, checked, with defaults filled in. */
export type OperatorFile = Omit<Document, 'listen'> & { readonly listen: Doors };

/** Checks a document as parsed from YAML. `file` is null when at least one issue is an error. */
export function validateOperatorFile(raw: unknown): {
  readonly file: OperatorFile | null;
  readonly issues: readonly SettingsIssue[];
} {
  const issues = new Issues();
  const read = readObject(operatorDocument, raw ?? {}, [], issues);
  if (read?.settings !== undefined && /^postgres(?:ql)?:/i.test(read.settings)) {
    issues.error(['settings'], 'names a PostgreSQL store, which this version does not have yet; name a settings file');
  }
  if (issues.hasErrors) return { file: null, issues: issues.list };
  const { listen: asked, ...rest } = read as Document;
  const doors = asked ?? listen.parse(DEFAULT_LISTEN);
  return { file: { ...rest, listen: makeDoors((door) => doors[door] ?? []) }, issues: issues.list };
}
