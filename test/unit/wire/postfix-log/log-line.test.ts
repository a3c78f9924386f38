import { describe, expect, it } from 'vitest';
import { parseLogLine } from '../../../../src/wire/postfix-log/index.ts';

const BSD = 'Nov 25 11:33:17 mx postfix/postern-r7/smtp[123]: ';
const head = { time: 'Nov 25 11:33:17', program: 'postfix/postern-r7/smtp', queueId: '4WqZ3k1Hsdz9' };
const delivery = (rest: string): ReturnType<typeof parseLogLine> => parseLogLine(`${BSD}4WqZ3k1Hsdz9: ${rest}`);

describe('parseLogLine', () => {
  it('a recipient that bounced, as Postfix 3.7 writes it', () => {
    const line =
      'to=<bob=quiet.example@r2-0a1b2c3d.route.postern.internal>, relay=127.0.0.3[127.0.0.3]:4711, delay=0.06, ' +
      'delays=0.05/0.01/0/0, dsn=5.1.1, status=bounced (host 127.0.0.3[127.0.0.3] said: 550 5.1.1 no such user (here) (in reply to RCPT TO command))';
    expect(delivery(line)).toEqual({
      ...head,
      kind: 'delivery',
      recipient: 'bob=quiet.example@r2-0a1b2c3d.route.postern.internal',
      dsn: '5.1.1',
      status: 'bounced',
      text: 'host 127.0.0.3[127.0.0.3] said: 550 5.1.1 no such user (here) (in reply to RCPT TO command)',
    });
  });

  it.each([
    ['Nov  5 01:02:03', 'Nov  5 01:02:03'],
    ['Nov 25 11:33:17.123', 'Nov 25 11:33:17.123'],
    ['2026-11-25T11:33:17.123456+01:00', '2026-11-25T11:33:17.123456+01:00'],
    ['2026-11-25T11:33:17Z', '2026-11-25T11:33:17Z'],
  ])('a time as %s', (written, time) => {
    expect(parseLogLine(`${written} mx.example postfix/qmgr[9]: 9A3B1C2D4E: removed`)).toEqual({
      ...{ kind: 'removed', time, program: 'postfix/qmgr', queueId: '9A3B1C2D4E' },
    });
  });

  it('a syslog daemon that numbers its lines, another name of the instance', () => {
    const line = 'Nov 25 11:33:17 mx postfix-out/qmgr[9]: [ID 197553 mail.info] 9A3B1C2D4E: removed';
    expect(parseLogLine(line)).toMatchObject({ kind: 'removed', program: 'postfix-out/qmgr', queueId: '9A3B1C2D4E' });
  });

  it.each([
    ['from=<>, status=expired, returned to sender', 'expired', ''],
    ['from=<a@b.example>, status=force-expired, returned to sender', 'expired', 'a@b.example'],
    ['from=<"a>b"@c.example>, size=1204, nrcpt=2 (queue active)', 'active', '"a>b"@c.example'],
  ])('%s', (rest, kind, sender) => {
    expect(delivery(rest)).toEqual({ ...head, kind, sender });
  });

  it.each([
    [
      'to=<"a>, dsn=2.0.0, status=sent"@c.example>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (x)',
      '"a>, dsn=2.0.0, status=sent"@c.example',
    ],
    [
      String.raw`to=<"a\">b"@c.example>, orig_to=<"x>y"@z.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`,
      String.raw`"a\">b"@c.example`,
    ],
    [
      'to=<a@c.example>, relay=x[192.0.2.1]:25, conn_use=2, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)',
      'a@c.example',
    ],
  ])('what an address says of itself is not believed: %s', (rest, recipient) => {
    expect(delivery(rest)).toMatchObject({ kind: 'delivery', recipient, dsn: '4.4.1', status: 'deferred', text: 'x' });
  });

  it('a text that was cut has no bracket at its end; one status has large letters', () => {
    expect(
      delivery('to=<a@b>, relay=none, delay=1, delays=1/0/0/0, dsn=5.0.0, status=SOFTBOUNCE (host x said'),
    ).toMatchObject({
      status: 'softbounce',
      text: 'host x said',
    });
    expect(delivery('to=<a@b>, relay=none, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent')).toMatchObject({
      text: '',
    });
  });

  it('what a server says of a status comes after the status', () => {
    const rest =
      'to=<a@b>, relay=x, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 ok, dsn=5.1.1, status=bounced (x))';
    expect(delivery(rest)).toMatchObject({ status: 'sent', dsn: '2.0.0' });
  });

  it.each([
    ['', 'nothing'],
    [`${BSD}connect to 127.0.0.3[127.0.0.3]:4711: Connection refused`, 'no queue id'],
    [`${BSD}NOQUEUE: reject: RCPT from x: to=<a@b>`, 'a refusal'],
    [`${BSD}4WqZ3k1Hsdz9: to=<a@b, relay=x, dsn=5.1.1, status=bounced (x)`, 'an address without end'],
    [`${BSD}4WqZ3k1Hsdz9: to=<a@b>, orig_to=<c, dsn=5.1.1, status=bounced (x)`, 'an original address without end'],
    [`${BSD}4WqZ3k1Hsdz9: to=<a@b>, relay=x, delay=1, status=bounced (x)`, 'no status code'],
    [`${BSD}4WqZ3k1Hsdz9: host x said: 450 try again (in reply to RCPT TO command)`, 'a remark'],
    [`${BSD}4WqZ3k1Hsdz9: from=<a@b>, status=sent`, 'not of a queue manager'],
    [`${BSD}4WqZ3k1Hsdz9: from=<a@b`, 'a sender without end'],
    [`${BSD}4WqZ3k1Hsdz9: removed, or so`, 'no removal'],
    [`x ${BSD}4WqZ3k1Hsdz9: removed`, 'a head that is none'],
    ['Nov 25 11:33:17 mx postfix/qmgr: 4WqZ3k1Hsdz9: removed', 'no process'],
  ])('%j says nothing: %s', (line) => {
    expect(parseLogLine(line)).toBeNull();
  });
});
