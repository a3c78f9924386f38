/** Received fields as servers write them, made of documentation addresses: 203.0.113.66 or 2001:db8:66::1 is the peer. */

export type ReceivedLine = {
  readonly server: string;
  readonly value: string;
  /** The peer in canonical text. */
  readonly address: string | null;
  readonly by: string | null;
  /** Given where the handover is inside one system. */
  readonly isInternal?: true;
};

const PEER = '203.0.113.66';
const DATE = 'Mon, 2 Nov 2026 12:00:00 +0100 (CET)';

const line = (server: string, value: string, address: string | null = PEER, by: string | null = 'gw.example.net') => ({
  server,
  value: `${value}; ${DATE}`,
  address,
  by,
});
const internal = (
  server: string,
  value: string,
  address: string | null = null,
  by: string | null = 'gw.example.net',
) => ({
  ...line(server, value, address, by),
  isInternal: true as const,
});

export const RECEIVED_LINES: readonly ReceivedLine[] = [
  line(
    'Postfix',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\tby gw.example.net (Postfix) with ESMTP id 4WqX2z1Yk3z9sT\n\tfor <bob@example.com>',
  ),
  line(
    'Postfix, no name',
    'from mail.sender.example (unknown [203.0.113.66])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\n\t(No client certificate requested)\n\tby gw.example.net (Postfix) with ESMTPS id 4WqX2z1Yk3z9sT',
  ),
  line(
    'Postfix, IPv6',
    'from mail.sender.example (mail.sender.example [IPv6:2001:db8:66::1])\n\tby gw.example.net (Postfix) with ESMTPS id 4W',
    '2001:db8:66::1',
  ),
  line(
    'Postfix, login',
    'from [192.0.2.1] (host.sender.example [203.0.113.66])\n\t(Authenticated sender: x[192.0.2.1])\n\tby gw.example.net (Postfix) with ESMTPSA id 4W',
  ),
  line(
    'Postfix, HELO is an address literal',
    'from [198.51.100.9] (unknown [203.0.113.66])\n\tby gw.example.net (Postfix) with SMTP id 4W',
  ),
  line(
    'Postfix, HELO is a word of the grammar',
    'from by (unknown [203.0.113.66])\n\tby gw.example.net (Postfix) with SMTP id 4W',
  ),
  line(
    'Postfix, peer not known',
    'from mail.sender.example (unknown [unknown])\n\tby gw.example.net (Postfix) with SMTP id 4W',
    null,
  ),
  internal(
    'Postfix, content filter comes back',
    'from localhost (localhost [127.0.0.1])\n\tby gw.example.net (Postfix) with ESMTP id 4W',
    '127.0.0.1',
  ),
  internal(
    'Postfix, the same over IPv6',
    'from localhost (localhost [IPv6:::1])\n\tby gw.example.net (Postfix) with ESMTP id 4W',
    '::1',
  ),
  internal(
    'Postfix, the same mapped',
    'from localhost (localhost [::ffff:127.0.0.1])\n\tby gw.example.net (Postfix) with ESMTP id 4W',
    '127.0.0.1',
  ),
  internal(
    'amavis',
    'from gw.example.net ([127.0.0.1])\n by localhost (gw.example.net [127.0.0.1]) (amavis, port 10024) with ESMTP\n id yRk5cPd1xV9q for <bob@example.com>',
    '127.0.0.1',
    'localhost',
  ),
  internal('Postfix, sendmail(1)', 'by gw.example.net (Postfix, from userid 1002)\n\tid 4WqX2z1Yk3z9sT'),
  line(
    'Exchange',
    'from mail.sender.example (203.0.113.66) by\n gw.example.net (192.0.2.5) with Microsoft SMTP Server (TLS) id\n 14.3.498.0',
  ),
  line(
    'Exchange, hub',
    'from EX02.corp.example (10.9.1.2) by EX01.corp.example (10.9.1.3) with Microsoft SMTP Server\n (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.2.1118.7',
    '10.9.1.2',
    'EX01.corp.example',
  ),
  line(
    'Exchange, zone',
    'from EX01.corp.example ([fe80::b4c5:1d2:aa:1]) by EX01.corp.example\n ([fe80::b4c5:1d2:aa:1%3]) with mapi id 15.02.1118.007',
    'fe80::b4c5:1d2:aa:1',
    'EX01.corp.example',
  ),
  line(
    'Exchange, zone of the peer',
    'from EX01.corp.example ([fe80::b4c5:1d2:aa:1%12]) by EX01.corp.example with mapi id 15.2',
    'fe80::b4c5:1d2:aa:1',
    'EX01.corp.example',
  ),
  line(
    'Microsoft 365',
    'from mail.sender.example (2001:db8:66::1) by\n DB8EUR05FT012.mail.protection.outlook.com (2001:db8:10:cafe::aa) with Microsoft\n SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.9366.12\n via Frontend Transport',
    '2001:db8:66::1',
    'DB8EUR05FT012.mail.protection.outlook.com',
  ),
  line(
    'Exchange 5.5',
    'from ns.sender.example (203.0.113.66 [203.0.113.66]) by gw.example.net with SMTP (Microsoft Exchange Internet Mail Service Version 5.5.1960.3) id G69TW478',
  ),
  line(
    'Exim',
    'from mx7.sender.example ([203.0.113.66] helo=mail.sender.example)\n\tby gw.example.net with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\n\t(Exim 4.98)\n\t(envelope-from <sender@sender.example>)\n\tid 1t7Abc-000000001Zz-0aBc\n\tfor bob@example.com',
  ),
  line(
    'Exim, port',
    'from mx7.sender.example ([203.0.113.66]:50999 helo=[198.51.100.9])\n\tby gw.example.net with esmtp (Exim 4.98)\n\tid 1t7',
  ),
  line(
    'Exim, no name',
    'from [203.0.113.66] (helo=mail.sender.example)\n\tby gw.example.net with smtp (Exim 4.98)\n\tid 1t7',
  ),
  line(
    'Exim, no name, HELO is an address literal',
    'from [203.0.113.66] (port=4321 helo=[198.51.100.9] ident=x)\n\tby gw.example.net with smtp (Exim 4.98)\n\tid 1t7',
  ),
  line('Exim, HELO is the address', 'from [203.0.113.66]\n\tby gw.example.net with esmtp (Exim 4.98)\n\tid 1t7'),
  line('Exim 3', 'from mx7.sender.example [203.0.113.66] by gw.example.net with esmtp (Exim 3.35 #1 (Debian)) id 18S'),
  line(
    'Exim, IPv6',
    'from mx7.sender.example ([2001:db8:66::1] helo=mail.sender.example)\n\tby gw.example.net with esmtp (Exim 4.98)',
    '2001:db8:66::1',
  ),
  line(
    'Exim, sender with a parenthesis',
    'from mx7.sender.example ([203.0.113.66])\n\tby gw.example.net with esmtp (Exim 4.98)\n\t(envelope-from <"a( by \\") b"@sender.example>)\n\tid 1t7',
  ),
  internal(
    'Exim, local',
    'from list by gw.example.net with local (Exim 4.98)\n\t(envelope-from <list@example.net>)\n\tid 1t7',
  ),
  internal('Exim, local SMTP', 'from paul (helo=felix) by gw.example.net with local-esmtp (Exim 4.98)\n\tid 1t7'),
  line(
    'Sendmail',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\tby gw.example.net (8.18.1/8.18.1) with ESMTPS id 4A2B0Abc012345\n\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT)\n\tfor <bob@example.com>',
  ),
  line(
    'Sendmail, forged',
    'from mail.sender.example (host66.sender.example [203.0.113.66] (may be forged))\n\tby gw.example.net (8.18.1/8.18.1) with SMTP id 4A2',
  ),
  line(
    'Sendmail, no name',
    'from mail.sender.example ([203.0.113.66])\n\tby gw.example.net (8.18.1/8.18.1) with SMTP id 4A2',
  ),
  line(
    'Sendmail, ident',
    'from mail.sender.example (IDENT:bob@mx7.sender.example [203.0.113.66])\n\tby gw.example.net (8.18.1/8.18.1) with SMTP id 4A2',
  ),
  line(
    'Sendmail, ident, no name',
    'from 4wtgRl (kgbxn@[203.0.113.66])\n\tby gw.example.net (8.18.1/8.18.1) with SMTP id 4A2',
  ),
  line(
    'Sendmail, login',
    'from laptop ([203.0.113.66])\n\t(authenticated bits=0)\n\tby gw.example.net (8.18.1/8.18.1) with ESMTPSA id 4A2',
  ),
  line(
    'Sendmail, IPv6',
    'from mail.sender.example (mail.sender.example [IPv6:2001:db8:66:0:0:0:0:1])\n\tby gw.example.net (8.18.1/8.18.1) with ESMTP id 4A2',
    '2001:db8:66::1',
  ),
  internal('Sendmail, local', '(from bob@localhost)\n\tby gw.example.net (8.18.1/8.18.1/Submit) id 4A2B0Abc012345'),
  line('qmail', 'from mx7.sender.example (HELO mail.sender.example) (203.0.113.66)\n  by gw.example.net with SMTP'),
  line(
    'qmail, HELO is an address literal',
    'from unknown (HELO [198.51.100.9]) (203.0.113.66)\n  by gw.example.net with SMTP',
  ),
  line('qmail, HELO is the name', 'from mail.sender.example (203.0.113.66)\n  by gw.example.net with SMTP'),
  line('qmail, ident', 'from mail.sender.example (x@[198.51.100.9]@203.0.113.66)\n  by gw.example.net with SMTP'),
  line(
    'qmail, encryption',
    'from unknown (HELO mail.sender.example) (bob@203.0.113.66)\n  by gw.example.net with (AES256-SHA encrypted) ESMTPS',
  ),
  line(
    'qmail-ldap',
    'from unknown (HELO mail.sender.example) (bob@[203.0.113.66])\n          (envelope-sender <x@[198.51.100.9]>)\n          by gw.example.net (qmail-ldap-1.03) with SMTP\n          for <bob@example.com>',
  ),
  internal('qmail-queue', '(qmail 10681 invoked from network)', null, null),
  internal('qmail-queue, local', '(qmail 10681 invoked by uid 404)', null, null),
  line(
    'Proofpoint',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\tby gw.example.net (PPS) with ESMTPS id 4a0b1c2d3e-1\n\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT)\n\tfor <bob@example.com>',
  ),
  internal(
    'Proofpoint, filter',
    'from pps.filterd (gw.example.net [127.0.0.1])\n\tby gw.example.net (8.18.1.2/8.18.1.2) with ESMTP id 4A2B0Abc012345\n\tfor <bob@example.com>',
    '127.0.0.1',
  ),
  line(
    'IronPort',
    'from unknown (HELO mail.sender.example) ([203.0.113.66])\n  by gw.example.net with ESMTP/TLS/TLS_AES_256_GCM_SHA384',
  ),
  line(
    'Mimecast',
    'from mail.sender.example (mx7.sender.example [203.0.113.66]) (Using TLS) by gw.example.net with ESMTP id eu-mta-12',
  ),
  line(
    'Google',
    'from mail.sender.example (mx7.sender.example. [203.0.113.66])\n        by mx.google.com with ESMTPS id a640c23a62f3a-a9e56\n        for <bob@example.com>\n        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256)',
    PEER,
    'mx.google.com',
  ),
  line(
    'Google, login',
    'from smtpclient.apple ([2001:db8:66::1])\n        by smtp.gmail.com with ESMTPSA id 5b1f17b',
    '2001:db8:66::1',
    'smtp.gmail.com',
  ),
  internal('Google, within', 'by 2002:a05:640c:2348:b0:22a with SMTP id xyz', null, '2002:a05:640c:2348:b0:22a'),
  line('Google, API', 'from 123456 named unknown by gmailapi.google.com with HTTPREST', null, 'gmailapi.google.com'),
  line(
    'Amazon SES',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n by inbound-smtp.eu-west-1.amazonaws.com with SMTP id 7q5\n for bob@example.com',
    PEER,
    'inbound-smtp.eu-west-1.amazonaws.com',
  ),
  line(
    'Courier',
    'from mail.sender.example (mx7.sender.example [::ffff:203.0.113.66])\n  (AUTH: LOGIN x[192.0.2.1], TLS: TLS1.3,256bits)\n  by gw.example.net with ESMTPSA\n  id 00000',
  ),
  line(
    'CommuniGate Pro',
    'from [203.0.113.66] (HELO mail.sender.example)\n  by gw.example.net (CommuniGate Pro SMTP 6.3.1)\n  with ESMTP id 2088434',
  ),
  line(
    'CommuniGate Pro, login',
    'from [203.0.113.66] (account bob HELO [192.168.1.104])\n  by gw.example.net (CommuniGate Pro SMTP 6.3.1) with ESMTPSA id 2088434',
  ),
  line(
    'CommuniGate Pro, name',
    'from mail.sender.example ([203.0.113.66] verified)\n  by gw.example.net (CommuniGate Pro SMTP 6.3.1)',
  ),
  line(
    'MDaemon',
    'from mail.sender.example [203.0.113.66] by gw.example.net [192.0.2.5] with SMTP (MDaemon.PRO.v23.5)',
    PEER,
  ),
  line(
    'XMail',
    'from mail.sender.example (203.0.113.66:23198) by gw.example.net (192.0.2.5:25) with [XMail 1.27 ESMTP Server] id <S72E> for <bob@example.com> from <x@sender.example>',
  ),
  line(
    'smtpd of a firewall',
    'from mx7.sender.example(203.0.113.66, HELO mail.sender.example) by gw.example.net via smap (V1.3) id xma093673',
  ),
  line(
    'a name and its address in one word',
    'from mail.sender.example (mx7.sender.example[203.0.113.66]) by gw.example.net (gw) with SMTP id 1',
  ),
  line('the address twice', 'from mail.sender.example ([203.0.113.66] [203.0.113.66]) by gw.example.net with ESMTP'),
  line('no name', 'from ([203.0.113.66]) by gw.example.net with ESMTP'),
  line('capitals', 'FROM mail.sender.example (mx7.sender.example [203.0.113.66]) BY gw.example.net ID 434B508E'),
  line('by after a comma', 'from mx7.sender.example(203.0.113.66) via SMTP by gw.example.net, id smtpdEDUB8h'),
  line('no by', 'from mail.sender.example (203.0.113.66)', PEER, null),
  internal(
    'Dovecot',
    'from gw.example.net\n\tby gw.example.net with LMTP\n\tid mCk3KQ (envelope-from <x@sender.example>)\n\tfor <bob@example.com>',
  ),
  internal('Cyrus', 'by gw.example.net (Cyrus v3.8.0) with LMTP'),
  line('submission without an address', 'by gw.example.net (Postfix) with ESMTPSA id 4W', null),
  line('web mail without an address', 'by gw.example.net (Roundcube) with HTTP', null),
  line(
    'web mail that proxies',
    'from 192.0.2.1 (SquirrelMail authenticated user bob)\n by gw.example.net with HTTP',
    null,
  ),
  line('GroupWise: the HELO name only', 'from [198.51.100.9] by gw.example.net with Novell_GroupWise', null),
  line('the HELO name only, an address', 'from 198.51.100.9 by gw.example.net with SMTP', null),
  line('a name only', 'from mail.sender.example by gw.example.net with ESMTP', null),
  // Shapes of fields in public mail archives and in the sources of the servers.
  line(
    'Postfix, client certificate',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256\n\t client-signature RSA-PSS (2048 bits) client-digest SHA256)\n\t(Client CN "mail.sender.example", Issuer "Example CA" (not verified))\n\tby gw.example.net (Postfix) with ESMTPS id 4W\n\tfor <bob@example.com>',
  ),
  line(
    'Postfix, client certificate with a name made up',
    'from mail.sender.example (unknown [203.0.113.66])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n\t(Client CN "x [192.0.2.1] y", Issuer "[192.0.2.1] z" (not verified))\n\tby gw.example.net (Postfix) with ESMTPS id 4W',
  ),
  line(
    'Postfix, peer not known, client certificate with a name made up',
    'from mail.sender.example (unknown [unknown])\n\t(Client CN "x [127.0.0.1] y", Issuer "z" (not verified))\n\tby gw.example.net (Postfix) with ESMTPS id 4W',
    null,
  ),
  line(
    'Postfix, no client certificate',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\t(using TLSv1.2 with cipher AES256-GCM-SHA384 (256/256 bits))\n\t(Client did not present a certificate)\n\tby gw.example.net (Sophos Email Appliance) with ESMTPS id 583_98F',
  ),
  internal(
    'Sophos Email, filter',
    'from ip-172-20-1-61.internal\n (ip-172-20-1-61.internal [127.0.0.1])\n by id-1.gw.example.net (Postfix) with ESMTP id 45v\n for <bob@example.com>',
    '127.0.0.1',
    'id-1.gw.example.net',
  ),
  line(
    'Sophos UTM',
    'from mx7.sender.example ([203.0.113.66]:50378 helo=mail.sender.example)\n\tby gw.example.net with esmtps (TLSv1.2:ECDHE-RSA-AES256-GCM-SHA384:256)\n\t(Exim 4.82_1-5b7a7c0-XX)\n\t(envelope-from <a@sender.example>)\n\tid 1g-2',
  ),
  line(
    'Trend Micro Email Security',
    'from 198.51.100.9_.trendmicro.com (unknown [172.21.10.52])\n\tby refb02.gw.example.net (Postfix) with ESMTPS id 72\n\tfor <bob@example.com>',
    '172.21.10.52',
    'refb02.gw.example.net',
  ),
  line(
    'Barracuda Email Security Service',
    'from mail.sender.example (mx7.sender.example [203.0.113.66]) by mx10.gw.example.net (version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NO)',
    PEER,
    'mx10.gw.example.net',
  ),
  line(
    'Barracuda appliance',
    'from mail.sender.example (mx7.sender.example [203.0.113.66]) by gw.example.net with ESMTP id OzqZc2lQ1x for <bob@example.com>',
  ),
  line(
    'Mimecast, STARTTLS',
    'from mail.sender.example (mx7.sender.example\n [203.0.113.66]) by gw.example.net with ESMTP with STARTTLS\n (version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384) id\n us-mta-88-rm9QH1Vy-1',
  ),
  line(
    'Proofpoint, no name',
    'from mail.sender.example (unknown [203.0.113.66])\n\tby mx0a.gw.example.net (PPS) with ESMTPS id 4aejk1ewbc-1\n\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NOT)',
    PEER,
    'mx0a.gw.example.net',
  ),
  internal(
    'Proofpoint, handed in again',
    'from pps.reinject (localhost [127.0.0.1])\n\tby mx0a.gw.example.net (PPS) with ESMTPS id 4aejk1ewbc-1\n\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NOT)',
    '127.0.0.1',
    'mx0a.gw.example.net',
  ),
  internal(
    'Proofpoint, into the same',
    'from m0098409.gw.example.net (m0098409.gw.example.net [127.0.0.1])\n\tby pps.reinject (8.18.1.12/8.18.0.8) with ESMTP id 5AJ',
    '127.0.0.1',
    'pps.reinject',
  ),
  line(
    'IronPort, no HELO in the field',
    'from mx7.sender.example ([203.0.113.66])\n  by gw.example.net with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384',
  ),
  line(
    'IronPort, HELO is an address literal',
    'from mx7.sender.example (HELO [198.51.100.9]) ([203.0.113.66])\n  by gw.example.net with ESMTP',
  ),
  line(
    'FortiMail',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\tby gw.example.net  with ESMTP id t0HC2XL4011862-t0HC2XL5011862\n\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NOT)\n\tfor <bob@example.com>',
  ),
  line(
    'FortiMail, no name, HELO is an address literal',
    'from [198.51.100.9] ([203.0.113.66])\n\tby gw.example.net  with ESMTP id s68AcKpB017344-s68AcKpC017344',
  ),
  line(
    'FortiMail, login',
    'from [198.51.100.9] ([203.0.113.66])\n\t(user=bob@192.0.2.1 mech=PLAIN bits=0)\n\tby gw.example.net  with ESMTPA id s68',
  ),
  line(
    'Zoho, from outside',
    'from [198.51.100.9] (203.0.113.66 [203.0.113.66]) by mx.gw.example.net\n        with SMTPS id 1675512766438793.461',
    PEER,
    'mx.gw.example.net',
  ),
  line(
    'Zoho, handed in by a login that it does not name',
    'by mx.gw.example.net with SMTPS id 1773132184269896.8',
    null,
    'mx.gw.example.net',
  ),
  line('MailEnable', 'from mail.sender.example ([203.0.113.66]) by gw.example.net with MailEnable ESMTP'),
  line(
    'MailEnable, filter',
    'from ([203.0.113.66]) for <bob@example.com> with MailEnable Catch-All Filter',
    PEER,
    null,
  ),
  line(
    'Microsoft SMTPSVC',
    'from mail.sender.example ([203.0.113.66]) by gw.example.net with Microsoft SMTPSVC(10.0.17763.1697)',
  ),
  line(
    'Microsoft SMTPSVC, over TLS, unverified',
    'from 0 ([203.0.113.66] unverified) by gw.example.net over TLS secured channel with Microsoft SMTPSVC(8.5.9600.16384)',
  ),
  line(
    'Microsoft SMTPSVC, no name in DNS',
    'from 0 ([203.0.113.66] RDNS failed) by gw.example.net with Microsoft SMTPSVC(6.0.3790.0)',
  ),
  internal('Microsoft SMTPSVC, local', 'from mail pickup service by gw.example.net with Microsoft SMTPSVC'),
  line(
    'words of the pickup service with another protocol',
    'from mail pickup service by gw.example.net with SMTP',
    null,
  ),
  line(
    'Microsoft 365, mailbox',
    'from AM0PR01MB1234.eurprd01.prod.outlook.com\n (2001:db8:66::1) by AM0PR01MB5678.eurprd01.prod.outlook.com with HTTPS\n via AM0PR01CA0043.EURPRD01.PROD.OUTLOOK.COM',
    '2001:db8:66::1',
    'AM0PR01MB5678.eurprd01.prod.outlook.com',
  ),
  internal(
    'Microsoft 365, the same mailbox server',
    'from AM0PR01MB1234.eurprd01.prod.outlook.com (::1) by\n AM0PR01MB1234.eurprd01.prod.outlook.com with HTTPS',
    '::1',
    'AM0PR01MB1234.eurprd01.prod.outlook.com',
  ),
  line(
    'Exchange, HELO is an address literal',
    'from [198.51.100.9] (203.0.113.66) by gw.example.net (10.20.40.47) with Microsoft SMTP Server (version=TLS1_2,\n cipher=TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256) id 15.1.1466.3',
  ),
  line(
    'Exchange, mapi with IPv4',
    'from EX02.corp.example ([10.9.1.2]) by EX01.corp.example ([10.9.1.3]) with mapi id 14.03.0123.003',
    '10.9.1.2',
    'EX01.corp.example',
  ),
  line(
    'Google, name not available',
    'from mail.sender.example ([UNAVAILABLE]. [203.0.113.66])\n        by smtp-relay.gmail.com with ESMTPS id a6',
    PEER,
    'smtp-relay.gmail.com',
  ),
  line(
    'Google, Transport Security',
    'from mail-sor-f41.google.com (mail-sor-f41.google.com. [203.0.113.66])\n        by mx.google.com with SMTPS id 5b1f\n        for <bob@example.com>\n        (Google Transport Security)',
    PEER,
    'mx.google.com',
  ),
  line(
    'Cloudflare Email Routing',
    'from mail.sender.example (203.0.113.66)\n        by gw.example.net (cloudflare) id AuYfoj6x77E4\n        for <bob@example.com>',
  ),
  line(
    'Momentum',
    'from [203.0.113.66] ([203.0.113.66:36196] helo=[198.51.100.9])\n        by gw.example.net (envelope-from <a@sender.example>)\n        (ecelerity 4.4.1.20033 r(msys-ecelerity:tags/4.4.1.0^0)) with ESMTPS (cipher=AES128-GCM-SHA256\n\tsubject="/C=US/O=x, inc./OU=0:app;1:ia2/CN=x") \n        id 36/EF-09894-38E06E16',
  ),
  line(
    'Momentum, older',
    'from ([203.0.113.66:53798] helo=mail.sender.example) by gw.example.net (ecelerity 2.1 r(10620)) with ESMTP id 5A/F0-0',
  ),
  line(
    'Zmailer',
    'from mx7.sender.example ([203.0.113.66]:50797 "EHLO\n        mail.sender.example" rhost-flags-OK-OK-OK-OK) by gw.example.net\n        with ESMTP id S234970AbiARWAz (ORCPT\n        <rfc822;bob@example.com>)',
  ),
  line(
    'Zmailer, HELO is an address literal among words',
    'from mx7.sender.example ([203.0.113.66]:50797 "EHLO x [192.0.2.1] y"\n        rhost-flags-OK-OK-OK-OK) by gw.example.net with ESMTP id S2',
  ),
  line(
    'Haraka',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\tby gw.example.net (Haraka/3.0.3) with ESMTPS id 8630A604-7CDC-4F56-BC02-9865974B8D06.1\n\tenvelope-from <"a by b"@sender.example>\n\ttls TLS_AES_256_GCM_SHA384 (authenticated bits=0)',
  ),
  internal('Haraka, on the way out', '(Haraka outbound)', null, null),
  line(
    'OpenSMTPD',
    'from mail.sender.example (mx7.sender.example [203.0.113.66])\n\tby gw.example.net (OpenSMTPD) with ESMTPS id 4cdc8265 (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)\n\tfor <bob@example.com>',
  ),
  internal(
    'OpenSMTPD, local',
    'from localhost (gw.example.net [local])\n\tby gw.example.net (OpenSMTPD) with ESMTPA id 4cdc8265',
  ),
  line('the word of OpenSMTPD elsewhere', 'from x (x [local])\n\tby gw.example.net (Postfix) with ESMTP id 4W', null),
  line(
    'qpsmtpd',
    'from unknown (HELO mail.sender.example) (203.0.113.66) (smtp-auth username x[192.0.2.1], mechanism login)\n    by gw.example.net (qpsmtpd/0.84) with ESMTPSA',
  ),
  line(
    'MessageLabs',
    'from unknown (HELO [198.51.100.9]) (203.0.113.66)\n  by server-11.gw.example.net with ECDHE-RSA-AES256-GCM-SHA384 encrypted SMTP',
    PEER,
    'server-11.gw.example.net',
  ),
  line('Yahoo', 'from 198.51.100.9  (EHLO mail.sender.example) (203.0.113.66)\n by gw.example.net with SMTPS'),
  line('GMX', 'from mx7.sender.example (EHLO [198.51.100.9]) [203.0.113.66] by gw.example.net (mp033) with SMTP'),
  internal('CommuniGate Pro, filter', 'by gw.example.net (CommuniGate Pro PIPE 6.1.2)\n  with PIPE id 893699'),
  line(
    'CommuniGate Pro, port',
    'from [203.0.113.66]:50999 (HELO mail.sender.example) by gw.example.net ([192.0.2.5]:25) (F-Secure Anti-Virus) with SMTP',
  ),
  line(
    'eXpurgate',
    'from [203.0.113.66] (helo=[198.51.100.9])\n by gw.example.net with ESMTP (eXpurgate MTA 0.9.1)\n (envelope-from <a@sender.example>)\n id 6a14a58e-bab6',
  ),
  line(
    'Symantec Messaging Gateway',
    'from mail.sender.example ( [203.0.113.66]) by\n        gw.example.net (Symantec Messaging Gateway) with SMTP id\n        91.CE.40333.DDA0B1F5',
  ),
  line(
    'MailMarshal',
    'from mail.sender.example (Not Verified[203.0.113.66]) by gw.example.net with MailMarshal (v6,7,2,8378)\n        id <B4bd5cb400000>',
  ),
  line(
    'Forcepoint',
    'from mail.sender.example (unknown [203.0.113.66])\n\t(No client certificate requested)\n\tby Forcepoint Email with ESMTPS id 5437BB65A0',
    PEER,
    'Forcepoint',
  ),
  line(
    'with before by',
    'from mail.sender.example ([203.0.113.66] helo=mail.sender.example) with IPv4:25 by\n\tgw.example.net',
  ),
  line(
    'Norton AntiVirus for Gateways: the peer before by',
    '(from mail.sender.example [203.0.113.66]) by gw.example.net (NAVGW 2.5.2.12) with SMTP id M2006040415284308595 for <bob@example.com>',
    null,
  ),
  line('an unreadable peer before by', '(from x [203.0.113.66.25]) by gw.example.net with SMTP id 1', null),
  internal(
    'amavis, LMTP',
    'from gw.example.net ([IPv6:::ffff:127.0.0.1])\n\tby localhost (gw.example.net [::ffff:127.0.0.1]) (amavisd-new, port 10024)\n\twith LMTP id wPRZ9UvIVLX0',
    '127.0.0.1',
    'localhost',
  ),
  internal(
    'amavis, unix socket',
    'from gw.example.net by localhost (amavisd-new, unix socket) with LMTP\n        id OlTK52l_5q6i',
    null,
    'localhost',
  ),
  internal('SpamAssassin', 'from localhost by gw.example.net\n\twith SpamAssassin (version 3.4.6)'),
  internal(
    'simscan',
    'by simscan 1.4.0 ppid: 11684, pid: 11685, t: 11.5012s\n scanners: clamav: 0.95.2/m:52/d:11242 spam: 3.2.5',
    null,
    'simscan',
  ),
  line(
    'Dovecot, from a proxy',
    'from director.gw.example.net ([203.0.113.66])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n\tby gw.example.net with LMTPS id MAuAOlBCBWJuPQAAMHmgww\n\t(envelope-from <a@sender.example>)\n\tfor <bob@example.com>',
  ),
  line(
    'Exim 3, port behind a dot',
    'from mx7.sender.example ([203.0.113.66.63559]) by gw.example.net with esmtp (v3.35.1) id 1G',
    null,
  ),
];
