/**
 * The numbers and names of the milter protocol, with their SMFI names.
 * Never decides which of them are used.
 * Source: libmilter, mfdef.h and mfapi.h.
 */

/** The newest version spoken. Version 5 was never released. */
export const SMFI_VERSION = 6;

/** Codes of commands, MTA to milter. */
export const SMFIC = {
  ABORT: 0x41,
  BODY: 0x42,
  CONNECT: 0x43,
  MACRO: 0x44,
  BODYEOB: 0x45,
  HELO: 0x48,
  QUIT_NC: 0x4b,
  HEADER: 0x4c,
  MAIL: 0x4d,
  EOH: 0x4e,
  OPTNEG: 0x4f,
  QUIT: 0x51,
  RCPT: 0x52,
  DATA: 0x54,
  UNKNOWN: 0x55,
} as const;

/**
 * Codes of replies, milter to MTA. SHUTDOWN and CONN_FAIL are left out on purpose: Postfix answers the first with 250
 * and delivers nothing, and takes the second for a broken milter.
 */
export const SMFIR = {
  ADDRCPT: 0x2b,
  DELRCPT: 0x2d,
  ADDRCPT_PAR: 0x32,
  OPTNEG: 0x4f,
  ACCEPT: 0x61,
  REPLBODY: 0x62,
  CONTINUE: 0x63,
  DISCARD: 0x64,
  CHGFROM: 0x65,
  ADDHEADER: 0x68,
  INSHEADER: 0x69,
  CHGHEADER: 0x6d,
  PROGRESS: 0x70,
  QUARANTINE: 0x71,
  REJECT: 0x72,
  SKIP: 0x73,
  TEMPFAIL: 0x74,
  REPLYCODE: 0x79,
} as const;

/** Action flags: what the milter may do to a message. */
export const SMFIF = {
  ADDHDRS: 0x01,
  CHGBODY: 0x02,
  ADDRCPT: 0x04,
  DELRCPT: 0x08,
  CHGHDRS: 0x10,
  QUARANTINE: 0x20,
  CHGFROM: 0x40,
  ADDRCPT_PAR: 0x80,
  SETSYMLIST: 0x100,
} as const;

/** Protocol flags: NOxxx "do not send", NR_xxx "send, I stay silent", and what either side can do. */
export const SMFIP = {
  NOCONNECT: 0x01,
  NOHELO: 0x02,
  NOMAIL: 0x04,
  NORCPT: 0x08,
  NOBODY: 0x10,
  NOHDRS: 0x20,
  NOEOH: 0x40,
  NR_HDR: 0x80,
  NOUNKNOWN: 0x100,
  NODATA: 0x200,
  SKIP: 0x400,
  RCPT_REJ: 0x800,
  NR_CONN: 0x1000,
  NR_HELO: 0x2000,
  NR_MAIL: 0x4000,
  NR_RCPT: 0x8000,
  NR_DATA: 0x1_0000,
  NR_UNKN: 0x2_0000,
  NR_EOH: 0x4_0000,
  NR_BODY: 0x8_0000,
  HDR_LEADSPC: 0x10_0000,
  MDS_256K: 0x1000_0000,
  MDS_1M: 0x2000_0000,
} as const;

/** The longest payload in octets without an MDS flag, and with each. */
export const maxData = { plain: 65_535, mds256K: 262_143, mds1M: 1_048_575 } as const;

/** All actions of version 1, 2 and 6. */
export const allActions = { v1: 0x0f, v2: 0x3f, v6: 0x1ff } as const;

/** All protocol flags of a version. NR_HDR is older than the other NR flags and counts from version 2. */
export const allProtocol = { v1: 0x3f, v2: 0xff, v3: 0x1ff, v4: 0x3ff, v6: 0x1f_ffff } as const;

/** The stages of a macro list and their numbers; 5 and 6 are not in the order of events. */
export const macroStages = {
  connect: 0,
  helo: 1,
  mail: 2,
  rcpt: 3,
  data: 4,
  endOfMessage: 5,
  endOfHeaders: 6,
} as const;

/** A stage for which macros can be asked. */
export type MacroStage = keyof typeof macroStages;

/**
 * Macros as Postfix spells them. A macro without a value is not sent: no `{auth_authen}` means not authenticated. `i` is
 * absent at MAIL and at the first RCPT of an SMTP session.
 * Source: Postfix MILTER_README, "What macros will Postfix send to Milters".
 */
export const macroNames = {
  queueId: 'i',
  myHostname: 'j',
  version: 'v',
  clientAndAddress: '_',
  daemonName: '{daemon_name}',
  daemonAddress: '{daemon_addr}',
  daemonPort: '{daemon_port}',
  clientAddress: '{client_addr}',
  clientName: '{client_name}',
  clientPort: '{client_port}',
  clientPtr: '{client_ptr}',
  clientResolve: '{client_resolve}',
  clientConnections: '{client_connections}',
  tlsVersion: '{tls_version}',
  cipher: '{cipher}',
  cipherBits: '{cipher_bits}',
  certSubject: '{cert_subject}',
  certIssuer: '{cert_issuer}',
  authType: '{auth_type}',
  authAuthen: '{auth_authen}',
  authAuthor: '{auth_author}',
  mailAddress: '{mail_addr}',
  mailHost: '{mail_host}',
  mailMailer: '{mail_mailer}',
  rcptAddress: '{rcpt_addr}',
  rcptHost: '{rcpt_host}',
  rcptMailer: '{rcpt_mailer}',
} as const;
