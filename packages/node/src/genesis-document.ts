/** The genesis document as it lies on disk and travels: [chainId, timeNs, [[key, power, leads]…], appState]. */
import type { Genesis } from '@yilian/consensus/application';
import type { Bytes } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import { ANY_COUNT, Fields } from '@yilian/crypto/fields';

export function encodeGenesisDocument(genesis: Genesis): Bytes {
  return encode([
    genesis.chainId,
    genesis.timeNs,
    genesis.validators.map(({ key, power, leads }) => [key, power, leads]),
    genesis.appState,
  ]);
}

/** @throws CodecError */
export function parseGenesisDocument(bytes: Bytes): Genesis {
  const fields = Fields.of(decode(bytes), 4);
  return {
    chainId: fields.text(),
    timeNs: fields.u64(),
    validators: fields.list(ANY_COUNT, (list) => {
      const validator = list.nested(3);
      return { key: validator.bytes(), power: validator.u64(), leads: validator.flag() };
    }),
    appState: fields.bytes(),
  };
}
