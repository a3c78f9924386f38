/** The requests of the load by their number, and what the settings make of them. */

/** The settings that the load asks about. */
export const settings = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      domains: {
        'a.example': { blockedIps: ['10.128.0.0/9', '2001:db8:bad::/48'], allowedIps: ['10.128.0.0/32'] },
        'b.example': { inboundGateway: { enabled: true, ips: ['192.0.2.10'], onlyFromGateway: true } },
      },
    },
  },
};

const bytesOf = (number: number): readonly number[] => [number >>> 16, (number >>> 8) & 255, number & 255];
const ipv4 = (first: number, number: number): string => {
  const [high = 0, middle = 0, low = 0] = bytesOf(number);
  return `${first}.${128 + high}.${middle}.${low}`;
};

type Kind = {
  readonly client: (number: number) => string;
  readonly recipient: (number: number) => string;
  readonly answer: RegExp;
};
const PASS = /^action=DUNNO\n\n$/;
/** In turn: a blocked client, one that nothing is said of (IPv6), one that goes around the gateway, a foreign recipient. */
const KINDS: readonly Kind[] = [
  {
    // The first address is the allowed one.
    client: (number) => ipv4(10, number + 1),
    recipient: (number) => `u${number}@a.example`,
    answer: /^action=550 5\.7\.1 Client address blocked by receiving domain policy\n\n$/,
  },
  {
    client: (number) => `2001:db8::${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`,
    recipient: (number) => `U${number}@A.example`,
    answer: PASS,
  },
  {
    client: (number) => ipv4(11, number),
    recipient: (number) => `u${number}@b.example`,
    answer: /^action=550 5\.7\.1 [^\n]*only through its inbound gateway\n\n$/,
  },
  { client: (number) => ipv4(10, number), recipient: (number) => `u@d${number}.example`, answer: PASS },
];

const kindOf = (number: number): Kind => {
  const kind = KINDS[number % KINDS.length];
  if (kind === undefined) throw new Error('no kind');
  return kind;
};

/** The attributes of request `number`, from 0 to below 2^23. */
export function attributesOf(number: number): Record<string, string> {
  const { client, recipient } = kindOf(number);
  const name = `h${number}.remote.example`;
  return {
    ...{ client_address: client(number), client_name: name, reverse_client_name: name, helo_name: name },
    ...{ sender: `s${number}@${name}`, recipient: recipient(number), instance: `1f3a.6a0c1234.${number}.0` },
  };
}

/** What the answer to request `number` must be, its end included. */
export const expectedAnswer = (number: number): RegExp => kindOf(number).answer;
