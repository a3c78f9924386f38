/** A log that keeps what it was told, and meters that do so too. */
import type { DecisionLabels, Log, Meters, SnapshotState } from '../../src/services/index.ts';

export type LogEntry = {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

export class FakeLog implements Log {
  readonly entries: LogEntry[] = [];

  debug(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.entries.push({ level: 'debug', message, fields });
  }

  info(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.entries.push({ level: 'info', message, fields });
  }

  warn(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.entries.push({ level: 'warn', message, fields });
  }

  error(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.entries.push({ level: 'error', message, fields });
  }

  messages(level: LogEntry['level']): string[] {
    return this.entries.filter((entry) => entry.level === level).map(({ message }) => message);
  }
}

type Counted = Pick<Meters, 'countDecision' | 'setSnapshot' | 'countMessage' | 'setKeys' | 'setMaps'>;

/** Keeps decisions, messages, key counts and snapshot states; what only doors count is counted into nothing. */
export class FakeMeters implements Meters {
  readonly decisions: DecisionLabels[] = [];
  readonly states: SnapshotState[] = [];
  readonly messages: Parameters<Meters['countMessage']>[0][] = [];
  readonly keys: Parameters<Meters['setKeys']>[0][] = [];
  readonly countDecision: Counted['countDecision'] = (labels) => void this.decisions.push(labels);
  readonly setSnapshot: Counted['setSnapshot'] = (state) => void this.states.push(state);
  readonly countMessage: Counted['countMessage'] = (labels) => void this.messages.push(labels);
  readonly setKeys: Counted['setKeys'] = (states) => void this.keys.push(states);
  readonly maps: Parameters<Meters['setMaps']>[0][] = [];
  readonly setMaps: Counted['setMaps'] = (states) => void this.maps.push(states);
  observeAnswer(): void {}
  connectionOpened(): void {}
  connectionClosed(): void {}
  countConnectionRefused(): void {}
  countProtocolFault(): void {}
  countSocketmapAnswer(): void {}
  /** Own domains whose gateways mail came through, in order. */
  readonly gatewayMail: string[] = [];
  noteGatewayMail(domain: string): void {
    this.gatewayMail.push(domain);
  }

  overlong = 0;
  countOverlong(): void {
    this.overlong += 1;
  }

  get lastState(): SnapshotState | undefined {
    return this.states.at(-1);
  }
}
