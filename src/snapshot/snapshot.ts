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
  /** Addresses of the servers of the organization's routes: never trusted by network. */
  readonly routeServers: IpSet;
  /** Sender domains whose mail is taken over TLS only, with the place of the policy. */
  readonly tlsIncoming: ReadonlyMap<Domain, string>;
  /** Peers that mail from this domain reaches over TLS only. */
  readonly tlsOutgoing: ReadonlyMap<Domain, TlsDemand>;
  readonly pointer: string;
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
};

/** Everything that decisions rest on. */
export type Snapshot = {
  readonly revision: RevisionId;
  readonly host: HostPolicy;
  readonly domains: ReadonlyMap<Domain, DomainPolicy>;
  /** Peers on which every own domain agrees: the answers of the socketmap `tls_policy`. */
  readonly tlsAgreed: ReadonlyMap<Domain, TlsDemand>;
};
