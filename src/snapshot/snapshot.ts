/**
 * Settings compiled for decisions: one immutable value, swapped whole. Plain data only (no functions, no class
 * instances), so that it can be compared, cloned and handed to another thread.
 * Never holds private keys.
 */
import type { Domain, IpSet, RecipientList } from '../mail/index.ts';
import type { RouteSettings } from '../settings/index.ts';

/** Twelve hexadecimal digits that change when, and only when, the settings or what they name change. */
export type RevisionId = string & { readonly __brand: 'RevisionId' };

/** What an entry of an IP list says of itself, for reasons and logs. `file` is set where a list file stands behind it. */
export type ListedIp = { readonly text: string; readonly note?: string; readonly file?: string };

/** One allowed or blocked list: a compiled set whose hits name `entries[n]`, which stands at `pointer/n`. */
export type ListedIps = { readonly set: IpSet; readonly entries: readonly ListedIp[]; readonly pointer: string };

/** The inbound gateway of an own domain; present only while it is enabled. */
export type GatewayPolicy = {
  readonly ips: IpSet;
  readonly onlyFromGateway: boolean;
  readonly skipSpamFilter: boolean;
  /** `prefix`: what a matching line begins with, in small letters; null where the pattern does not say. */
  readonly spamPattern: { readonly pattern: string; readonly prefix: string | null } | null;
  /** What becomes of mail whose true client is blocked: a refusal after DATA makes the gateway bounce. */
  readonly blockedBehindGateway: 'reject' | 'quarantine' | 'discard';
  /** Where internal mail goes before it is delivered; it comes back by the gateway. Null where it does not. */
  readonly internalRoute: RouteId | null;
  readonly pointer: string;
};

/** Automatic short-term blocks of an own domain: so many hits within a window of time block the client for a while. */
export type AutoBlockPolicy = {
  /** How many hits, at least 1. */
  readonly after: number;
  readonly withinMs: number;
  readonly forMs: number;
  readonly pointer: string;
};

/** Who exists: a file of addresses, or a map that Postfix reads. */
export type RecipientSource =
  | { readonly kind: 'file'; readonly file: string; readonly list: RecipientList; readonly pointer: string }
  | { readonly kind: 'map'; readonly map: string; readonly pointer: string };

/** What the rules may know of one own domain, and nothing of any other. */
export type DomainPolicy = {
  readonly domain: Domain;
  readonly organization: string;
  readonly enforcement: 'enforce' | 'observe';
  readonly allowed: ListedIps;
  readonly blocked: ListedIps;
  /** Null where clients are not blocked automatically. */
  readonly autoBlock: AutoBlockPolicy | null;
  /** Who exists, in the order in which it is asked; null where everybody does. */
  readonly recipients: readonly RecipientSource[] | null;
  readonly gateway: GatewayPolicy | null;
  /** The servers of the organization's routes as the settings name them. */
  readonly routeHosts: readonly RouteHost[];
  /** Their addresses, as far as they are known: never trusted by network. */
  readonly routeServers: IpSet;
  /** The same, for each route by itself. */
  readonly serversOfRoutes: ReadonlyMap<RouteId, IpSet>;
  /** Where mail for its recipients goes; the first rule that fits wins. */
  readonly inboundRoutes: readonly InboundRule[];
  /** Where mail from its trusted senders goes. */
  readonly outboundRoutes: readonly OutboundRule[];
  /** Sender domains whose mail is taken over TLS only, with the place of the policy. */
  readonly tlsIncoming: ReadonlyMap<Domain, string>;
  /** Peers that mail from this domain reaches over TLS only. */
  readonly tlsOutgoing: ReadonlyMap<Domain, TlsDemand>;
  /** Whether the organization's primary domain belongs to the provider: it then has no DKIM of its own. */
  readonly isProviderShared: boolean;
  /** The active keys of the domain. */
  readonly signing: readonly SigningKey[];
  readonly pointer: string;
};

/** A key that may sign; its private part is in the key store. Source: RFC 6376 §3.1, §3.3. */
export type SigningKey = { readonly selector: string; readonly algorithm: 'rsa-sha256' | 'ed25519-sha256' };

/** The provider's signing domain with its active keys. */
export type ProviderSigning = { readonly domain: Domain; readonly keys: readonly SigningKey[] };

/** A route's server: an address or a name, and whether the name is looked up as MX. */
export type RouteHost = { readonly route: RouteId; readonly host: string; readonly mx: boolean };

/** A route's name among those of all organizations: `<organization>/<route>`. */
export type RouteId = string & { readonly __brand: 'RouteId' };

/** A named route: another mail server, and how it is reached. */
export type Route = {
  readonly id: RouteId;
  readonly name: string;
  /** A name as A-labels, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether the MX records of the host are followed; never for an address. */
  readonly mx: boolean;
  readonly tls: RouteSettings['tls'];
  /** The name that the server's certificate must carry; null: the one that it is reached by. */
  readonly certificateName: Domain | null;
  readonly pointer: string;
};

/** Internal mail has its sender and its recipient in the same own domain, and a trusted client. */
export type MailKind = 'internal' | 'external';

/** Whether a recipient of an own domain has a mailbox, or a name that leads to one. */
export type Existence = 'existing' | 'missing';

/** Where mail for recipients of an own domain goes. */
export type InboundRule = {
  readonly route: RouteId;
  readonly mail: readonly MailKind[];
  readonly recipients: readonly Existence[];
  readonly alsoSave: boolean;
  readonly suppressBounces: boolean;
  readonly pointer: string;
};

/** Where mail from trusted senders of an own domain goes. */
export type OutboundRule = {
  readonly route: RouteId;
  readonly mail: readonly MailKind[];
  readonly action: 'change' | 'additionally';
  readonly pointer: string;
};

/** How Postfix knows a route. Source: transport(5), master(5). */
export type KnownRoute = {
  /** Never given to another route. */
  readonly number: number;
  /** The first label of its recipients' domain, such as `r7-0a1b2c3d`. Keyed: nobody outside can guess it. */
  readonly label: string;
  /** The service of master.cf that delivers to it: `postern-r7`. */
  readonly service: string;
  /** What its service writes into `X-Postern-Route`. Keyed. */
  readonly mark: string;
  /** Whether master.cf has the service. */
  readonly isInstalled: boolean;
};

/** What Postfix knows of the routes. */
export type RouteInstallation = {
  readonly routes: ReadonlyMap<RouteId, KnownRoute>;
  /**
   * Whether Postfix asks our transport table, which then holds at least the line that keeps back what no route line
   * names. Without it an encoded recipient could leave by the relay host.
   */
  readonly isAsked: boolean;
  /** Whether Postfix answers with the tables of this very snapshot. */
  readonly isLive: boolean;
};

/** What all policies for one peer ask together; `pointer` names the first of them. */
export type TlsDemand = { readonly trustedCa: boolean; readonly hostnameMatch: boolean; readonly pointer: string };

/** What holds for this host, from the operator's file. */
export type HostPolicy = {
  readonly trustedNetworks: IpSet;
  readonly internalDomain: Domain;
  readonly reinjectionServices: readonly string[];
  readonly authservId: string;
  /** Postfix's `myorigin`: the domain of addresses that have none. Absent where it is not known. */
  readonly originDomain?: Domain;
  /** Postfix's `recipient_delimiter`: each character begins an address extension. Empty where there is none. */
  readonly recipientDelimiter: string;
};

/** Everything that decisions rest on. */
export type Snapshot = {
  readonly revision: RevisionId;
  readonly host: HostPolicy;
  readonly domains: ReadonlyMap<Domain, DomainPolicy>;
  /** Peers on which every own domain agrees: the answers of the socketmap `tls_policy`. */
  readonly tlsAgreed: ReadonlyMap<Domain, TlsDemand>;
  readonly routes: ReadonlyMap<RouteId, Route>;
  /** What Postfix knows of the routes. */
  readonly installation: RouteInstallation;
  /** Signs for domains without an active key; null where the provider has no signing domain. */
  readonly providerSigning: ProviderSigning | null;
};
