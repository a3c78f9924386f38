/** Received fields of servers with a place for the name that the client gives itself; the peer is always the same. */

export const PEER = '203.0.113.66';
const DATE = 'Mon, 2 Nov 2026 12:00:00 +0100';

/** A server, and its field with {HELO} in the place of the name. */
const TEXTS: readonly (readonly [server: string, field: string])[] = [
  ['Postfix', `from {HELO} (unknown [${PEER}])\n\tby gw.example.net (Postfix) with ESMTP id 4W; ${DATE}`],
  [
    'Postfix, TLS',

    `from {HELO} (mx7 [${PEER}])\n\t(using TLSv1.3 with cipher X (256/256 bits))\n\t(No client certificate requested)\n\tby gw.example.net (Postfix) with ESMTPS id 4W; ${DATE}`,
  ],
  ['Exim', `from mx7 ([${PEER}] helo={HELO})\n\tby gw.example.net with esmtp (Exim 4.98)\n\tid 1t; ${DATE}`],
  [
    'Exim, port',
    `from mx7 ([${PEER}]:50999 helo={HELO})\n\tby gw.example.net with esmtp (Exim 4.98)\n\tid 1t; ${DATE}`,
  ],
  ['Exim, no name', `from [${PEER}] (helo={HELO})\n\tby gw.example.net with esmtp (Exim 4.98)\n\tid 1t; ${DATE}`],
  ['qmail', `from unknown (HELO {HELO}) (${PEER})\n  by gw.example.net with SMTP; 2 Nov 2026`],
  ['qmail, ident', `from mx7 (HELO {HELO}) (bob@${PEER})\n  by gw.example.net with SMTP; 2 Nov 2026`],
  ['Exchange', `from {HELO} (${PEER}) by gw.example.net (10.0.0.5) with Microsoft SMTP Server id 15; ${DATE}`],
  ['SMTPSVC', `from {HELO} ([${PEER}]) by gw.example.net with Microsoft SMTPSVC(10.0.17763.1697); ${DATE}`],
  [
    'Sendmail',

    `from {HELO} (bob@mx7 [${PEER}] (may be forged))\n\tby gw.example.net (8.18.1/8.18.1) with SMTP; ${DATE}`,
  ],
  ['Proofpoint', `from {HELO} (mx7 [${PEER}])\n\tby gw.example.net (PPS) with ESMTPS id 4a-1; ${DATE}`],
  ['IronPort', `from mx7 (HELO {HELO}) ([${PEER}])\n  by gw.example.net with ESMTP/TLS/X; ${DATE}`],
  ['Google', `from {HELO} (mx7. [${PEER}])\n        by mx.google.com with ESMTPS id a6; ${DATE}`],
  ['Amazon SES', `from {HELO} (mx7 [${PEER}])\n by inbound-smtp.gw.example.net with SMTP id 7; ${DATE}`],
  ['Mimecast', `from {HELO} (mx7 [${PEER}]) (Using TLS) by gw.example.net with ESMTP id 1; ${DATE}`],
  ['Barracuda', `from {HELO} (mx7 [${PEER}]) by gw.example.net (version=TLSv1.2 bits=256); ${DATE}`],
  ['FortiMail', `from {HELO} ([${PEER}])\n\tby gw.example.net  with ESMTP id t0-t0; ${DATE}`],
  ['Zoho', `from {HELO} (${PEER} [${PEER}]) by gw.example.net\n with SMTPS id 1; ${DATE}`],
  ['Haraka', `from {HELO} (mx7 [${PEER}])\n\tby gw.example.net (Haraka/3.0.3) with ESMTPS id 8; ${DATE}`],
  ['OpenSMTPD', `from {HELO} (mx7 [${PEER}])\n\tby gw.example.net (OpenSMTPD) with ESMTPS id 4c; ${DATE}`],
  ['MailEnable', `from {HELO} ([${PEER}]) by gw.example.net with MailEnable ESMTP; ${DATE}`],
  ['CommuniGate Pro', `from [${PEER}] (HELO {HELO})\n  by gw.example.net (CommuniGate Pro SMTP 6) with ESMTP; ${DATE}`],
  [
    'Momentum',

    `from [${PEER}] ([${PEER}:36196] helo={HELO})\n\tby gw.example.net (ecelerity 4.4) with ESMTP id 3; ${DATE}`,
  ],
  ['Momentum, older', `from ([${PEER}:5] helo={HELO}) by gw.example.net (ecelerity 2.1) with ESMTP; ${DATE}`],
  ['Zmailer', `from mx7 ([${PEER}]:50797 "EHLO {HELO}" rhost-flags-OK) by gw.example.net\n with ESMTP id S2; ${DATE}`],
  ['GMX', `from mx7 (EHLO {HELO}) [${PEER}] by gw.example.net (mp033) with SMTP; ${DATE}`],
  ['Dovecot, LMTP', `from {HELO} ([${PEER}])\n\tby gw.example.net with LMTPS id M; ${DATE}`],
];

/** A server, and its field for a HELO name. */
export const RECEIVED_FORMS = TEXTS.map(([server, text]): readonly [string, (helo: string) => string] => [
  server,
  (helo: string): string => text.replace('{HELO}', () => helo),
]);
