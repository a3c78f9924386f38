/**
 * The metrics door: `/metrics` for Prometheus, `/healthz` and `/readyz` for a supervisor.
 * Never changes anything, and never reads a body.
 * Source: RFC 9110 §9.1 (methods), §15.5 (refusals); Prometheus text format 0.0.4.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Listener } from '../../operator/index.ts';
import type { Log, MapState, Meters } from '../../services/index.ts';
import {
  drain,
  guardConnections,
  listenAt,
  type Conversation,
  type OpenDoor,
  type UnixSocketOptions,
} from '../socket/index.ts';
import type { MetricsPage } from './meters.ts';

/**
 * How Postern is. `degraded`: it answers, but something needs a person. `revision` is null before there is one.
 * `problems` says what is wrong, with stable codes.
 */
export type Readiness = {
  readonly status: 'ready' | 'degraded' | 'starting' | 'draining';
  readonly revision: string | null;
  readonly problems: readonly { readonly code: string; readonly text: string }[];
  /** Tables that Postfix does not answer with yet, or that could not be written. */
  readonly mapsNotLive: readonly MapState[];
};

/** How the metrics door is opened. `maxConnections` is 100 where absent. */
export type MetricsDoorOptions = {
  readonly listener: Listener;
  readonly unix: UnixSocketOptions;
  readonly log: Log;
  readonly meters: Meters & { render(): Promise<MetricsPage> };
  readonly health: () => Readiness;
  readonly maxConnections?: number;
};

type Page = { readonly status: number; readonly contentType: string; readonly body: string };

const TEXT = 'text/plain; charset=utf-8';
const REQUEST_MS = 10_000;

/** Opens the metrics door. Errors: CannotListenError. */
export async function openMetricsDoor(options: MetricsDoorOptions): Promise<OpenDoor> {
  const server = createServer({
    maxHeaderSize: 8_192,
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: 1_000,
  });
  guardConnections(server, 'metrics', options.maxConnections ?? 100, options.log, options.meters);
  const connections = new Map<Socket, Conversation>();
  const answering = new WeakSet<Socket>();
  server.on('connection', (socket) => {
    connections.set(socket, { isIdle: () => !answering.has(socket) });
    socket.once('close', () => connections.delete(socket));
    // A peer that does not take its answer must not hold the connection.
    socket.setTimeout(2 * REQUEST_MS, () => socket.destroy());
  });
  server.on('request', (request, response) => {
    answering.add(request.socket);
    void respond(request, response, options);
  });
  const listener = await listenAt(server, 'metrics', options.listener, options.unix);
  let closing: Promise<void> | undefined;
  return {
    listener,
    get connections() {
      return connections.size;
    },
    close(graceMs) {
      closing ??= drain(server, connections, graceMs).then((cut) => {
        if (cut > 0) options.log.warn('connections were cut at the end of the grace period', { door: 'metrics', cut });
      });
      return closing;
    },
  };
}

async function respond(request: IncomingMessage, response: ServerResponse, options: MetricsDoorOptions): Promise<void> {
  const startedAt = performance.now();
  let page: Page;
  try {
    page = await choosePage(request, options);
  } catch (error) {
    options.log.error('a page of the metrics door could not be made', { path: request.url, err: error });
    page = { status: 500, contentType: TEXT, body: 'internal error\n' };
  }
  response.writeHead(page.status, {
    'Content-Type': page.contentType,
    'Content-Length': Buffer.byteLength(page.body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // Asked a few times a minute: a connection each costs nothing, and none is left open at the end.
    Connection: 'close',
    ...(page.status === 405 && { Allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : page.body);
  options.meters.observeAnswer('metrics', (performance.now() - startedAt) / 1000);
}

async function choosePage(request: IncomingMessage, { meters, health }: MetricsDoorOptions): Promise<Page> {
  const path = request.url?.split('?', 1)[0] ?? '';
  if (path !== '/metrics' && path !== '/healthz' && path !== '/readyz') {
    return { status: 404, contentType: TEXT, body: 'there are /metrics, /healthz and /readyz\n' };
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, contentType: TEXT, body: 'only GET and HEAD\n' };
  }
  if (hasBody(request)) return { status: 413, contentType: TEXT, body: 'a request here has no body\n' };
  switch (path) {
    case '/metrics':
      return { status: 200, ...(await meters.render()) };
    case '/healthz':
      return { status: 200, contentType: TEXT, body: 'ok\n' };
    case '/readyz':
      return readyPage(health());
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

function readyPage({ status, revision, problems, mapsNotLive }: Readiness): Page {
  const answersMail = status === 'ready' || status === 'degraded';
  const body = `${JSON.stringify({ status, revision, problems, mapsNotLive })}\n`;
  return { status: answersMail ? 200 : 503, contentType: 'application/json', body };
}
