import { describe, expect, it } from 'vitest';
import { parseIpRange } from '../../../src/mail/ip-range.ts';
import { sharedSenders, warnAboutRange } from '../../../src/mail/shared-senders.ts';

const warning = (text: string): string | null => {
  const parsed = parseIpRange(text);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return warnAboutRange(parsed.value);
};

describe('warnAboutRange', () => {
  it.each(['192.0.2.1', '10.0.0.0/16', '2001:db8::/32', '192.0.2.0-192.0.2.99'])('says nothing about %s', (entry) => {
    expect(warning(entry)).toBeNull();
  });

  it.each([
    ['10.0.0.0/15', 'wider than a /16'],
    ['10.0.0.0-10.1.0.0', 'wider than a /16'],
    ['fc00::/31', 'wider than a /32'],
  ])('IP-16 warns of the wide entry %s and does not refuse it', (entry, part) => {
    expect(warning(entry)).toContain(part);
    expect(warning(entry)).not.toContain('SPF');
  });

  it.each([
    ['74.125.1.1', 'Google (Gmail and Workspace)'],
    ['2a00:1450:4864::1', 'Google (Gmail and Workspace)'],
    ['40.107.0.0/24', 'Microsoft 365'],
    ['2a01:111:f403:d000::1', 'Microsoft 365'],
    ['54.240.100.0/24', 'Amazon SES'],
    ['167.89.1.1-167.89.1.9', 'SendGrid'],
    ['205.201.128.1', 'Mailchimp'],
    ['204.220.175.255', 'Mailgun and Mailjet'],
  ])('warns of %s, which %s sends from', (entry, name) => {
    expect(warning(entry)).toContain(`${name} (SPF record `);
    expect(warning(entry)).toMatch(/as of 20[0-9]{2}-[0-9]{2}/);
  });

  it('says where the ranges come from where that is no SPF record', () => {
    expect(warning('50.31.205.0/24')).toContain('Postmark (its support page "IPs for firewalls", as of 2025-03)');
  });

  it('names all senders in a wide entry', () => {
    const text = warning('0.0.0.0/0');
    for (const sender of sharedSenders) expect(text).toContain(sender.name);
    expect(text).toContain('wider than a /16');
  });
});

it('the table holds every range that it was written with', () => {
  expect(sharedSenders.map((sender) => sender.ranges.length)).toEqual([8, 11, 13, 9, 3, 22, 3]);
  for (const sender of sharedSenders) expect(sender.asOf).toMatch(/^20[0-9]{2}-(0[1-9]|1[0-2])$/);
});
