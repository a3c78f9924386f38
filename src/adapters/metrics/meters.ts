/**
 * What Postern counts, as Prometheus metrics.
 * Never keeps a label with unbounded values: no address, no recipient, no queue id, and own domains up to a limit.
 * Source: Prometheus text format 0.0.4.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type {
  Clock,
  DecisionLabels,
  Door,
  GatewayMeters,
  HistoryMeters,
  Meters,
  RouteMeters,
  ShortTermMeters,
  SnapshotState,
} from '../../services/index.ts';
import { createDomainLabel } from './domain-label.ts';
import { gatewayMeters } from './gateway-meters.ts';
import { routeMeters } from './route-meters.ts';

/** A page of metrics. */
export type MetricsPage = { readonly contentType: string; readonly body: string };

/** Meters that can be shown. */
export type PrometheusMeters = Meters &
  HistoryMeters &
  GatewayMeters &
  RouteMeters &
  ShortTermMeters & { render(): Promise<MetricsPage> };

const DOORS = ['policy', 'milter', 'socketmap', 'admin', 'metrics'] as const satisfies readonly Door[];

type NotSigned = NonNullable<Parameters<Meters['countMessage']>[0]['skipped']>;
const NOT_SIGNED = Object.keys({
  no_author: 0,
  not_our_domain: 0,
  not_trusted: 0,
  came_from_outside: 0,
  observe: 0,
  no_active_key: 0,
} satisfies Record<NotSigned, 0>);

/** From 50 microseconds, below which an answer from memory stays, to the 10 s that a decision may take at most. */
const SECONDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Makes the meters, each in a registry of its own. The clock tells the age of the snapshot. */
export function createMeters(clock: Clock): PrometheusMeters {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'postern_' });
  const setSnapshot = snapshotGauges(registry, clock);
  const labelOf = createDomainLabel();
  return {
    countDecision: decisionCounter(registry, labelOf),
    countSocketmapAnswer: socketmapCounter(registry),
    countMessage: messageCounters(registry),
    countOverlong: overlongCounter(registry),
    setKeys: keyGauge(registry),
    setMaps: mapGauge(registry),
    watchShortTermClients: shortTermGauge(registry),
    countHistoryDropped: historyCounter(registry),
    ...doorMeters(registry),
    ...gatewayMeters(registry, labelOf),
    ...routeMeters(registry, createDomainLabel()),
    setSnapshot,
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}

/** One combination of labels, and how often it came since the last scrape. */
type Cell = { readonly labels: Omit<DecisionLabels, 'domain'> & { readonly domain: string }; pending: number };

/** Counts in cells of our own and hands them over when asked: prom-client builds a text of all labels at each call. */
function decisionCounter(registry: Registry, labelOf: ReturnType<typeof createDomainLabel>): Meters['countDecision'] {
  const cellsByDomain = new Map<string, Cell[]>();
  new Counter({
    name: 'postern_decisions_total',
    help: 'Decisions about recipients, by what was decided and by which rule.',
    labelNames: ['stage', 'verdict', 'rule', 'enforcement', 'domain'] as const,
    registers: [registry],
    collect() {
      for (const cell of [...cellsByDomain.values()].flat()) {
        this.inc(cell.labels, cell.pending);
        cell.pending = 0;
      }
    },
  });
  return ({ stage, verdict, rule, enforcement, domain }) => {
    const label = labelOf(domain);
    let cells = cellsByDomain.get(label);
    if (cells === undefined) cellsByDomain.set(label, (cells = []));
    let cell = cells.find(
      ({ labels }) =>
        labels.rule === rule &&
        labels.verdict === verdict &&
        labels.enforcement === enforcement &&
        labels.stage === stage,
    );
    if (cell === undefined) {
      cell = { labels: { stage, verdict, rule, enforcement, domain: label }, pending: 0 };
      cells.push(cell);
    }
    cell.pending += 1;
  };
}

function socketmapCounter(registry: Registry): Meters['countSocketmapAnswer'] {
  const counter = new Counter({
    name: 'postern_socketmap_answers_total',
    help: 'Answers to socketmap queries, by map and status.',
    labelNames: ['map', 'status'] as const,
    registers: [registry],
  });
  return (map, status) => {
    counter.inc({ map, status });
  };
}

function messageCounters(registry: Registry): Meters['countMessage'] {
  const messages = new Counter({
    name: 'postern_messages_total',
    help: 'Messages answered by the milter door, by verdict.',
    labelNames: ['verdict'] as const,
    registers: [registry],
  });
  const signatures = new Counter({
    name: 'postern_signatures_total',
    help: 'DKIM signatures made.',
    registers: [registry],
  });
  const skipped = new Counter({
    name: 'postern_signing_skipped_total',
    help: 'Messages without a DKIM signature of ours, by reason.',
    labelNames: ['reason'] as const,
    registers: [registry],
  });
  // A rate needs a first value, as below.
  for (const verdict of ['pass', 'reject', 'defer'] as const) messages.inc({ verdict }, 0);
  for (const reason of NOT_SIGNED) skipped.inc({ reason }, 0);
  return (labels) => {
    messages.inc({ verdict: labels.verdict });
    if (labels.signatures > 0) signatures.inc(labels.signatures);
    if (labels.skipped !== null) skipped.inc({ reason: labels.skipped });
  };
}

function overlongCounter(registry: Registry): Meters['countOverlong'] {
  const counter = new Counter({
    name: 'postern_overlong_lines_total',
    help: 'Signed messages with a line over 998 octets, whose signature breaks unless smtp_line_length_limit is 0.',
    registers: [registry],
  });
  return () => {
    counter.inc();
  };
}

function keyGauge(registry: Registry): Meters['setKeys'] {
  const gauge = new Gauge({
    name: 'postern_dkim_keys',
    help: 'DKIM keys by state.',
    labelNames: ['state'] as const,
    registers: [registry],
  });
  return (states) => {
    for (const [state, count] of Object.entries(states)) gauge.set({ state }, count);
  };
}

function historyCounter(registry: Registry): HistoryMeters['countHistoryDropped'] {
  const lost = new Counter({
    name: 'postern_history_dropped_total',
    help: 'Decisions that history lost, by why; the answers were given all the same.',
    labelNames: ['why'] as const,
    registers: [registry],
  });
  for (const why of ['queue_full', 'not_written', 'not_made']) lost.inc({ why }, 0);
  return (decisions, why) => {
    lost.inc({ why }, decisions);
  };
}

function shortTermGauge(registry: Registry): ShortTermMeters['watchShortTermClients'] {
  let held: Parameters<ShortTermMeters['watchShortTermClients']>[0] = () => ({ counted: 0, blocked: 0 });
  new Gauge({
    name: 'postern_short_term_clients',
    help: 'Clients that automatic short-term blocks hold by state: counted, and blocked.',
    labelNames: ['state'] as const,
    registers: [registry],
    collect() {
      for (const [state, count] of Object.entries(held())) this.set({ state }, count);
    },
  });
  return (now) => {
    held = now;
  };
}

function mapGauge(registry: Registry): Meters['setMaps'] {
  const gauge = new Gauge({
    name: 'postern_maps',
    help: 'Tables for Postfix by state: live, saved and not yet live, or failed (the old one stays).',
    labelNames: ['state'] as const,
    registers: [registry],
  });
  return (states) => {
    for (const [state, count] of Object.entries(states)) gauge.set({ state }, count);
  };
}

type DoorMeters = Pick<
  Meters,
  'observeAnswer' | 'connectionOpened' | 'connectionClosed' | 'countConnectionRefused' | 'countProtocolFault'
>;

function doorMeters(registry: Registry): DoorMeters {
  const common = { labelNames: ['door'] as const, registers: [registry] };
  const seconds = new Histogram({
    ...common,
    name: 'postern_answer_seconds',
    help: 'Time from the last octet of a request to its answer.',
    buckets: SECONDS,
  });
  const connections = new Gauge({ ...common, name: 'postern_connections', help: 'Open connections.' });
  const refused = new Counter({
    ...common,
    name: 'postern_connections_refused_total',
    help: 'Connections closed at once because there were too many.',
  });
  const faults = new Counter({
    ...common,
    name: 'postern_protocol_faults_total',
    help: 'Connections closed because the peer broke the protocol.',
  });
  // A rate needs a first value: a counter that appears with its first event hides that event.
  for (const door of DOORS) {
    connections.set({ door }, 0);
    refused.inc({ door }, 0);
    faults.inc({ door }, 0);
  }
  return {
    observeAnswer(door, value) {
      seconds.observe({ door }, value);
    },
    connectionOpened(door) {
      connections.inc({ door });
    },
    connectionClosed(door) {
      connections.dec({ door });
    },
    countConnectionRefused(door) {
      refused.inc({ door });
    },
    countProtocolFault(door) {
      faults.inc({ door });
    },
  };
}

function snapshotGauges(registry: Registry, clock: Clock): Meters['setSnapshot'] {
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers: [registry] });
  const revision = gauge('postern_settings_revision', 'The running revision: its hexadecimal digits as a number.');
  const ownDomains = gauge('postern_own_domains', 'Own domains of the running settings.');
  const isValid = gauge('postern_settings_valid', '1 while the settings as they stand are the ones that act.');
  const isUp = gauge('postern_store_up', '1 while the settings can be read.');
  let liveSince: number | null = null;
  new Gauge({
    name: 'postern_snapshot_age_seconds',
    help: 'How long the running settings have been live.',
    registers: [registry],
    collect() {
      this.set(liveSince === null ? 0 : Math.max(0, clock.now() - liveSince) / 1000);
    },
  });
  return (state: SnapshotState) => {
    liveSince = state.liveSince;
    revision.set(state.revisionNumber);
    ownDomains.set(state.ownDomains);
    isValid.set(state.settingsValid ? 1 : 0);
    isUp.set(state.storeUp ? 1 : 0);
  };
}
