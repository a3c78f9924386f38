/** Automatic blocks kept in memory; it can be made to fail. */
import { PosternError, type Lift, type ShortTermBlock, type ShortTermBlockStore } from '../../src/services/index.ts';

export class MemoryShortTermBlocks implements ShortTermBlockStore {
  kept: readonly ShortTermBlock[];
  fault: string | null = null;
  saves = 0;
  canSave = true;
  canEnd = true;
  readonly requests = new Map<string, Lift | null>();
  #number = 0;

  constructor(kept: readonly ShortTermBlock[] = []) {
    this.kept = kept;
  }

  request(lift: Lift | null): string {
    this.#number += 1;
    const id = String(this.#number);
    this.requests.set(id, lift);
    return id;
  }

  load(): ReturnType<ShortTermBlockStore['load']> {
    return Promise.resolve({ blocks: this.kept, fault: this.fault });
  }

  save(blocks: readonly ShortTermBlock[]): Promise<void> {
    this.saves += 1;
    if (!this.canSave) return Promise.reject(new PosternError('POSTERN_STATE_UNWRITABLE', 'the disk is full'));
    this.kept = [...blocks];
    return Promise.resolve();
  }

  waitingLifts(): ReturnType<ShortTermBlockStore['waitingLifts']> {
    return Promise.resolve([...this.requests].map(([id, lift]) => ({ id, lift })));
  }

  endLift(id: string): Promise<void> {
    if (!this.canEnd) return Promise.reject(new PosternError('POSTERN_STATE_UNWRITABLE', 'the permission is missing'));
    this.requests.delete(id);
    return Promise.resolve();
  }
}
