/**
 * Settings compiled for decisions: one immutable value, swapped whole. Plain data only (no functions, no class
 * instances), so that it can be compared, cloned and handed to another thread.
 * Never holds private keys.
 */
import type { Domain, IpSet } from '../mail/index.ts';

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
  readonly pointer: string;
};

/** What the rules may know of one own domain, and nothing of any other. */
export type DomainPolicy = {
  readonly domain: Domain;
  readonly organization: string;
  readonly enforcement: 'enforce' | 'observe';
  readonly allowed: ListedIps;
  readonly blocked: ListedIps;
  readonly gateway: GatewayPolicy | null;
  /** The servers of the organization's routes as the settings name them. */
  readonly routeHosts: readonly RouteHost[];
  /** Their addresses, as far as they are known: never trusted by network. */
  readonly routeServers: IpSet;
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
export type RouteHost = { readonly host: string; readonly mx: boolean };

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
};

/** Everything that decisions rest on. */
export type Snapshot = {
  readonly revision: RevisionId;
  readonly host: HostPolicy;
  readonly domains: ReadonlyMap<Domain, DomainPolicy>;
  /** Peers on which every own domain agrees: the answers of the socketmap `tls_policy`. */
  readonly tlsAgreed: ReadonlyMap<Domain, TlsDemand>;
  /** Signs for domains without an active key; null where the provider has no signing domain. */
  readonly providerSigning: ProviderSigning | null;
};
