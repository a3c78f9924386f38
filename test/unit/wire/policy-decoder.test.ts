import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { PolicyDecoder, decodeXtext } from '../../../src/wire/policy/index.ts';
import type { PolicyEvent, PolicyRequest } from '../../../src/wire/policy/index.ts';
import { PeerProtocolError } from '../../../src/wire/protocol-error.ts';

const START = 'request=smtpd_access_policy\n';
const ask = (recipient: string): string => `${START}recipient=${recipient}\n\n`;
const octets = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The events of all chunks, one after the other. */
function feed(decoder: PolicyDecoder, ...chunks: readonly string[]): PolicyEvent[] {
  return chunks.flatMap((chunk) => [...decoder.receive(octets(chunk))]);
}

const shown = (events: readonly PolicyEvent[]): string[] =>
  events.map((event) =>
    event.kind === 'request'
      ? `request ${event.request.get('recipient') ?? '-'}`
      : `fault ${event.error.fault.code} ${event.error.fault.offset}`,
  );

function only(events: readonly PolicyEvent[]): PolicyRequest {
  const [event] = events;
  if (events.length !== 1 || event?.kind !== 'request') throw new Error(`not one request: ${shown(events).join(', ')}`);
  return event.request;
}

describe('framing', () => {
  it('POL-02 (a) a request sent one octet at a time is one request', () => {
    const decoder = new PolicyDecoder();
    expect(shown(feed(decoder, ...Array.from(ask('x@a.example'))))).toEqual(['request x@a.example']);
    expect(decoder.isIdle).toBe(true);
  });

  it('POL-02 (b) three requests in one write come in order', () => {
    const events = feed(new PolicyDecoder(), ask('a@a.example') + ask('b@a.example') + ask('c@a.example'));
    expect(shown(events)).toEqual(['request a@a.example', 'request b@a.example', 'request c@a.example']);
  });

  it('POL-02 (c) a cut between the two final newlines makes one request, at the second', () => {
    const decoder = new PolicyDecoder();
    const whole = ask('x@a.example');
    expect(feed(decoder, whole.slice(0, -1))).toEqual([]);
    expect(decoder.isIdle).toBe(false);
    expect(decoder.bufferedBytes).toBe(whole.length - 1);
    expect(shown(feed(decoder, '\n'))).toEqual(['request x@a.example']);
    expect(decoder.isIdle).toBe(true);
  });

  it.each(Array.from({ length: ask('x@a.example').length + 2 }, (_, at) => at))(
    'POL-02 (d) CRLF line ends are line ends, cut at octet %i',
    (at) => {
      const whole = ask('x@a.example').replaceAll('\n', '\r\n');
      const request = only(feed(new PolicyDecoder(), whole.slice(0, at), whole.slice(at)));
      expect([...request]).toEqual([
        ['request', 'smtpd_access_policy'],
        ['recipient', 'x@a.example'],
      ]);
    },
  );

  it('takes the rest of a cut request and the requests after it from one chunk', () => {
    const [a, b, c] = [ask('a@a.example'), ask('b@a.example'), ask('c@a.example')];
    const decoder = new PolicyDecoder();
    expect(shown(feed(decoder, a.slice(0, 9), a.slice(9) + b + c.slice(0, 40)))).toEqual([
      'request a@a.example',
      'request b@a.example',
    ]);
    expect(decoder.bufferedBytes).toBe(40);
    expect(shown(feed(decoder, c.slice(40)))).toEqual(['request c@a.example']);
  });

  it('takes a CR within a line, or two before LF, for no empty line', () => {
    expect(shown(feed(new PolicyDecoder(), `${START}recipient=a\rb\n`, '\r', '\n'))).toEqual(['request a\rb']);
    for (const cut of [0, 1, 2]) {
      const tail = '\r\r\n\n';
      expect(shown(feed(new PolicyDecoder(), START + tail.slice(0, cut), tail.slice(cut)))).toEqual([
        `fault line-without-equals ${START.length}`,
      ]);
    }
  });

  it('does not keep the chunk: the socket may use its memory again', () => {
    const decoder = new PolicyDecoder();
    const chunk = octets(ask('x@a.example'));
    const first = chunk.subarray(0, 30);
    decoder.receive(first);
    const rest = Buffer.from(chunk.subarray(30));
    first.fill(0);
    const request = only([...decoder.receive(rest)]);
    rest.fill(0);
    expect(request.get('recipient')).toBe('x@a.example');
  });

  it('reads a plain Uint8Array that is a window of a larger buffer', () => {
    const memory = octets(`zzz${ask('x@a.example')}zzz`);
    const window = new Uint8Array(memory.buffer, memory.byteOffset + 3, memory.length - 6);
    expect(only([...new PolicyDecoder().receive(window)]).get('recipient')).toBe('x@a.example');
  });

  it('makes nothing of an empty chunk', () => {
    const decoder = new PolicyDecoder();
    expect(feed(decoder, '')).toEqual([]);
    expect(decoder.isIdle).toBe(true);
  });
});

describe('values', () => {
  const value = (line: Buffer): string | undefined => {
    const [event] = new PolicyDecoder().receive(Buffer.concat([octets(START), line, octets('\n\n')]));
    return event?.kind === 'request' ? event.request.get(line.toString('latin1').split('=')[0] ?? '') : undefined;
  };

  it.each([
    ['sender=bounce=alice=example.org@lists.example.net', 'bounce=alice=example.org@lists.example.net'],
    ['ccert_subject=CN+3Dclient', 'CN+3Dclient'],
    ['helo_name=[IPv6:2001:db8::1]', '[IPv6:2001:db8::1]'],
    ['sender="a b"@example.org', '"a b"@example.org'],
    ['sender=', ''],
    ['sender==', '='],
    ['sender= a ', ' a '],
  ])('POL-03 %s is kept whole', (line, expected) => {
    expect(value(octets(line))).toBe(expected);
  });

  it('POL-03 a UTF-8 local part is UTF-8 text', () => {
    expect(value(Buffer.from('sender=jürgen@例え.example'))).toBe('jürgen@例え.example');
  });

  it('POL-03 octets that are not UTF-8 are latin1, and the other values keep their UTF-8', () => {
    expect(value(Buffer.from([...octets('sender=j'), 0xfc, ...octets('rgen@a.example')]))).toBe('jürgen@a.example');
    const mixed = Buffer.concat([Buffer.from(`${START}sender=é\nhelo_name=`), Buffer.from([0xe9]), octets('\n\n')]);
    const request = only([...new PolicyDecoder().receive(mixed)]);
    expect([request.get('sender'), request.get('helo_name')]).toEqual(['é', 'é']);
  });

  it('POL-03 ccert_* decode from xtext, UTF-8 or latin1', () => {
    expect(decodeXtext('CN+3Dclient')).toBe('CN=client');
    expect(decodeXtext('J+C3+BCrgen+2B+2b')).toBe('Jürgen++');
    expect(decodeXtext('J+FCrgen')).toBe('Jürgen');
  });

  it.each(['', 'plain', '+', 'a+', '+4', '+4g', '+G1', 'a+ 41', '++'])(
    'POL-03 a bad xtext escape stays as typed: "%s"',
    (text) => {
      expect(decodeXtext(text)).toBe(text);
    },
  );

  it('the first of two attributes with one name counts', () => {
    const request = only(feed(new PolicyDecoder(), `${START}sender=a@a.example\nsender=b@b.example\n\n`));
    expect(request.get('sender')).toBe('a@a.example');
    expect(request.size).toBe(2);
  });

  it('an attribute that was not sent is absent, and names of Object are only names', () => {
    const request = only(feed(new PolicyDecoder(), `${START}__proto__=x\n\n`));
    expect(request.get('sender')).toBeUndefined();
    expect(request.get('constructor')).toBeUndefined();
    expect(request.get('__proto__')).toBe('x');
  });
});

describe('faults', () => {
  it('a line without "=" is a fault after the good requests before it; nothing is read after it', () => {
    const good = ask('a@a.example');
    const decoder = new PolicyDecoder();
    expect(shown(feed(decoder, `${good}${START}quux\nb\n\n${good}`))).toEqual([
      'request a@a.example',
      `fault line-without-equals ${good.length + START.length}`,
    ]);
    expect(feed(decoder, good)).toEqual([]);
    expect(decoder.isIdle).toBe(true);
  });

  it('does not take the "=" of the next line for its own', () => {
    expect(shown(feed(new PolicyDecoder(), `${START}sender\n=x\n\n`))).toEqual([
      `fault line-without-equals ${START.length}`,
    ]);
  });

  it('counts the offset from the start of the connection, over earlier chunks', () => {
    const good = ask('a@a.example');
    expect(shown(feed(new PolicyDecoder(), good.slice(0, 5), good.slice(5), 'x', 'y\n\n'))).toEqual([
      'request a@a.example',
      `fault line-without-equals ${good.length}`,
    ]);
  });

  it('the fault names the standard and says no content', () => {
    const [event] = feed(new PolicyDecoder(), 'EHLO secret.example\n\n');
    const error = event?.kind === 'fault' ? event.error : undefined;
    expect(error).toBeInstanceOf(PeerProtocolError);
    expect(error?.fault).toEqual({ code: 'line-without-equals', protocol: 'Postfix SMTPD_POLICY_README', offset: 0 });
    expect(error?.message).not.toContain('secret');
  });

  it.each(['\n', '\r\n', 'sender=a@a.example\n\n', 'request=junk\n\n', 'request=\n\n', 'x=y\nrequest=other\n\n'])(
    'a request without request=smtpd_access_policy is a fault: %j',
    (text) => {
      expect(shown(feed(new PolicyDecoder(), text))).toEqual(['fault not-a-policy-request 0']);
    },
  );

  describe('a request over the limit', () => {
    const good = ask('a@a.example');
    const limits = { maxRequestBytes: good.length };
    const long = ask('ab@a.example');

    it('is taken at the limit', () => {
      expect(shown(feed(new PolicyDecoder(limits), good + good))).toHaveLength(2);
      expect(shown(feed(new PolicyDecoder(limits), ...Array.from(good)))).toEqual(['request a@a.example']);
    });

    it.each([
      ['whole', [good + long]],
      ['octet by octet', Array.from(good + long)],
      ['its last octet apart', [good + long.slice(0, -1), '\n']],
      ['cut in the middle', [good + long.slice(0, 20), long.slice(20)]],
      ['without an end', [good + long.slice(0, good.length)]],
    ])('is a fault one octet above it: %s', (_, chunks) => {
      const decoder = new PolicyDecoder(limits);
      expect(shown(feed(decoder, ...chunks))).toEqual([
        'request a@a.example',
        `fault request-too-long ${2 * good.length}`,
      ]);
      expect(decoder.bufferedBytes).toBe(0);
    });

    it('is 65,536 octets unless said otherwise', () => {
      const fill = (length: number): string => `${START}x=${'a'.repeat(length - START.length - 4)}\n\n`;
      expect(shown(feed(new PolicyDecoder(), fill(65_536)))).toEqual(['request -']);
      expect(shown(feed(new PolicyDecoder(), fill(65_537)))).toEqual(['fault request-too-long 65536']);
    });
  });
});
