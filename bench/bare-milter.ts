/**
 * The smallest milter that Postfix can have: node bench/bare-milter.ts SOCKET [RECIPIENT ENCODED ORCPT].
 * It asks to see nothing and is heard at the end of the message only; there it continues, or, with a recipient, puts the
 * encoded one in its place. So it shows what Postfix itself spends on a milter, and on a recipient that is changed.
 * Source: libmilter, mfdef.h.
 */
import { createServer } from 'node:net';

const [path = '', recipient, encoded = '', original = ''] = process.argv.slice(2);

function packet(code: string, ...parts: readonly string[]): Buffer {
  const body = Buffer.from(code + parts.map((part) => `${part}\0`).join(''), 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Version 6; ADDRCPT, DELRCPT and ADDRCPT_PAR; no CONNECT, HELO, MAIL, RCPT, BODY, HEADER, EOH, UNKNOWN and DATA. */
const negotiated = Buffer.alloc(17);
negotiated.writeUInt32BE(13, 0);
negotiated.write('O', 4);
negotiated.writeUInt32BE(6, 5);
negotiated.writeUInt32BE(0x04 | 0x08 | 0x80, 9);
negotiated.writeUInt32BE(0x37f, 13);

const proceed = packet('c');
const atTheEnd =
  recipient === undefined
    ? proceed
    : Buffer.concat([packet('-', `<${recipient}>`), packet('2', `<${encoded}>`, `ORCPT=rfc822;${original}`), proceed]);

createServer((socket) => {
  let buffered = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 5) {
      const end = 4 + buffered.readUInt32BE(0);
      if (buffered.length < end) return;
      const code = String.fromCharCode(buffered[4] ?? 0);
      buffered = buffered.subarray(end);
      if (code === 'O') socket.write(negotiated);
      else if (code === 'E') socket.write(atTheEnd);
      else if (code === 'Q') socket.end();
    }
  });
}).listen(path, () => {
  process.stdout.write('ready\n');
});
