/**
 * The names under which a mailbox may stand in a list of recipients, and mailboxes that no list need name.
 * Never looks anything up.
 * Source: postconf(5) recipient_delimiter, local_recipient_maps, virtual_mailbox_maps; RFC 5321 §2.4, §4.5.1 (postmaster);
 * RFC 6531 §3.3 (U-labels); the SRS and BATV drafts (draft-levine-smtp-batv).
 */
import { displayDomain, type Domain } from './domain.ts';

/** A mailbox in an own domain, the local-part as typed. */
type Mailbox = { readonly localPart: string; readonly domain: Domain };

/** Return addresses that a forwarder or a bounce tag has made of others: their lists are elsewhere. */
const TAGGED = /^(?:srs[01][=+-]|prvs=[^=]+=.|btv1==.)/;

/** What needs no quotes. Source: RFC 5321 §4.1.2 (Dot-string). */
const DOT_STRING = /^[^\s"(),.:;<>@[\\\]]+(?:\.[^\s"(),.:;<>@[\\\]]+)*$/;

/**
 * What to look for, the most exact name first: `bob+news@example.com`, `bob@example.com`, then without the domain, then
 * `@example.com`, which stands for all. Small letters, without quotes, and in quotes where a map may have them; the
 * domain as A-labels and as U-labels. `delimiters` holds every character that begins an address extension; empty where
 * there is none.
 */
export function recipientNames({ localPart, domain }: Mailbox, delimiters: string): string[] {
  const locals = localNames(localPart, delimiters).flatMap((local) =>
    DOT_STRING.test(local) ? [local] : [local, `"${local.replaceAll(/["\\]/g, '\\$&')}"`],
  );
  const hosts = [...new Set([domain, displayDomain(domain)])];
  return [
    ...locals.flatMap((local) => hosts.map((host) => `${local}@${host}`)),
    ...locals,
    ...hosts.map((host) => `@${host}`),
  ];
}

/** Whether the mailbox is there whatever lists say: postmaster, and return addresses that are tagged (SRS, BATV). */
export const isNeverMissing = (localPart: string, delimiters: string): boolean =>
  localNames(localPart, delimiters).some((local) => local === 'postmaster' || TAGGED.test(local));

/** The local-part as it is compared: in small letters, without quotes. */
export const recipientLocalName = (localPart: string): string =>
  (/^".*"$/s.test(localPart) ? localPart.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : localPart).toLowerCase();

/** Whole, and without its extension. What would leave nothing is no extension. Source: Postfix split_addr.c. */
function localNames(localPart: string, delimiters: string): string[] {
  const whole = recipientLocalName(localPart);
  for (let at = 1; at < whole.length; at += 1) {
    if (delimiters.includes(whole.charAt(at)))
      return delimiters.includes(whole.charAt(0)) ? [whole] : [whole, whole.slice(0, at)];
  }
  return [whole];
}
