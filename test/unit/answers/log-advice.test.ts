import { describe, expect, it } from 'vitest';
import { adviseOnLog, type LogFacts } from '../../../src/answers/index.ts';
import { aDocument, aSnapshot, type Keys } from '../../support/builders.ts';

const routes = { archive: { host: '192.0.2.31' } };
const snapshotOf = (domain: Keys): ReturnType<typeof aSnapshot> =>
  aSnapshot(aDocument({ 'a.example': {}, 'b.example': domain }, { routes }));
const silent = snapshotOf({ inboundRouting: [{ mail: ['external'], route: 'archive', suppressBounces: true }] });
const NONE: LogFacts = { path: null, reason: 'maillog_file is not set', hasPostlog: true };

describe('adviseOnLog', () => {
  it('no log: what is not seen then, and the lines that make one', () => {
    expect(adviseOnLog(silent, NONE)).toEqual([
      {
        severity: 'warning',
        text: 'the log of Postfix is not found (maillog_file is not set), so failures of copies that go without bounces are seen by nobody; name it as postfix: { logFile: … }, or let Postfix write one',
        line: "postconf -e 'maillog_file = /var/log/postfix.log' && postfix reload",
      },
    ]);
  });

  it('without the service that writes it, that first', () => {
    expect(adviseOnLog(silent, { ...NONE, hasPostlog: false })[0]?.line).toBe(
      "postconf -M 'postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd' && postconf -e 'maillog_file = /var/log/postfix.log' && postfix reload",
    );
  });

  it('a log that cannot be read: why', () => {
    const facts = { path: '/var/log/mail.log', reason: 'the permission is missing', hasPostlog: true };
    expect(adviseOnLog(silent, facts)).toEqual([
      {
        severity: 'warning',
        text: 'the log of Postfix, /var/log/mail.log, cannot be read: the permission is missing; so failures of copies that go without bounces are seen by nobody',
        line: null,
      },
    ]);
  });

  it('a copy under the address of the sender goes without bounces, too', () => {
    const snapshot = snapshotOf({
      outboundRouting: [{ mail: ['external'], action: 'additionally', route: 'archive' }],
    });
    expect(adviseOnLog(snapshot, NONE)).toHaveLength(1);
  });

  it.each([
    ['the log is read', silent, { ...NONE, path: '/var/log/mail.log', reason: null }],
    ['there are no rules', snapshotOf({}), NONE],
    ['every failure is told', snapshotOf({ inboundRouting: [{ mail: ['external'], route: 'archive' }] }), NONE],
    [
      'a change of destination is no copy',
      snapshotOf({ outboundRouting: [{ mail: ['external'], action: 'change', route: 'archive' }] }),
      NONE,
    ],
    [
      'rules are only observed',
      snapshotOf({
        enforcement: 'observe',
        inboundRouting: [{ mail: ['external'], route: 'archive', suppressBounces: true }],
      }),
      NONE,
    ],
  ])('nothing where %s', (_, snapshot, facts) => {
    expect(adviseOnLog(snapshot, facts)).toEqual([]);
  });
});
