/** Messages that the benchmarks send: text as people write it, with its runs of white space. */

const WORDS = 'the quick brown fox jumps over lazy dogs and mail servers keep their queues in good order'.split(' ');

/** Numbers from 0 up to a bound, a fixed sequence. */
function sequence(): (bound: number) => number {
  let seed = 1;
  return (bound) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (seed >> 8) % bound;
  };
}

/**
 * A body of so many octets: lines of up to 76 columns; two spaces after a sentence, indented and quoted lines, tabs
 * between columns, white space left at line ends, empty lines between paragraphs.
 */
export function textBody(octets: number): Buffer {
  const below = sequence();
  const lines: string[] = [];
  for (let length = 0; length < octets;) {
    let line = ['', '', '', '', '', '', '> ', '    ', '  * ', '\t'][below(10)] ?? '';
    while (line.length < 66)
      line += (WORDS[below(WORDS.length)] ?? '') + (['.  ', '.  ', '\t', ', '][below(24)] ?? ' ');
    line = below(12) === 0 ? `${line}  ` : line.trimEnd();
    const text = `${line}\r\n${below(8) === 0 ? '\r\n' : ''}`;
    lines.push(text);
    length += text.length;
  }
  return Buffer.from(`${lines.join('').slice(0, octets - 2)}\r\n`, 'latin1');
}

/** The header fields of every message, `Name:value` as they came over SMTP, folds with a bare LF. */
export const headerFields: readonly string[] = [
  'From: Alice Example <alice@example.com>',
  'To: Bob <bob@partner.example>,\n\tCarol <carol@partner.example>',
  'Subject: A message about nothing in particular, but of a usual length',
  'Date: Tue, 25 Nov 2025 01:01:01 +0000',
  'Message-ID: <20251125010101.12345@mail.example.com>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8;\n format=flowed',
  'Content-Transfer-Encoding: 8bit',
  'User-Agent: Mail/1.0',
  'References: <1@mail.example.com>\n <2@mail.example.com>',
];
