/** Lists of records by hospital and day: when a record is entered, and when a snapshot is restored. */
import { encode } from '@yilian/crypto/cbor';
import { lookups, type State } from '../../state.ts';
import type { LedgerRecord } from './record.ts';

export function indexRecord(
  state: State,
  { id, institution, index }: Pick<LedgerRecord, 'id' | 'institution' | 'index'>,
): void {
  const list = lookups.epochRecords(institution, index.mode === 'pk' ? index.epoch : -1);
  if (index.mode === 'pk' && state.lengthOf(list) === 0)
    state.append(lookups.epochs(), encode([institution, index.epoch]));
  state.append(list, id);
}
