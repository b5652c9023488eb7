/** The genesis document as it lies on disk and travels: [chainId, timeNs, [[key, power, leads]…], appState]. */
import type { Genesis } from '@yilian/consensus/application';
import { type Bytes, CodecError } from '@yilian/crypto/bytes';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';

export function encodeGenesisDocument(genesis: Genesis): Bytes {
  return encode([
    genesis.chainId,
    genesis.timeNs,
    genesis.validators.map(({ key, power, leads }) => [key, power, leads]),
    genesis.appState,
  ]);
}

function big(value: Cbor | undefined): bigint {
  if (typeof value === 'number') return BigInt(value);
  if (typeof value === 'bigint') return value;
  throw new CodecError('malformed', 'expected an integer');
}

/** @throws CodecError */
export function parseGenesisDocument(bytes: Bytes): Genesis {
  const value = decode(bytes);
  const [chainId, timeNs, validators, appState]: readonly Cbor[] = Array.isArray(value)
    ? value
    : [];
  if (
    typeof chainId !== 'string' ||
    !Array.isArray(validators) ||
    !(appState instanceof Uint8Array)
  )
    throw new CodecError('malformed', 'this is not a genesis document');
  return {
    chainId,
    timeNs: big(timeNs),
    appState,
    validators: validators.map((each: Cbor) => {
      const [key, power, leads]: readonly Cbor[] = Array.isArray(each) ? each : [];
      if (!(key instanceof Uint8Array) || typeof leads !== 'boolean')
        throw new CodecError('malformed', 'this is not a validator');
      return { key, power: big(power), leads };
    }),
  };
}
