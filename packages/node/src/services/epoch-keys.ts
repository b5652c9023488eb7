/**
 * The hospital's index service: per day a fresh ρ, which lives here and nowhere else and is erased when
 * the day is over (UTC), so that yesterday's tags cannot be tested by anybody who takes this disk.
 * A doctor's client gets (A, P^ρ), and only for a P whose possession was shown to this hospital and
 * visit: otherwise the tags of a rogue P^s would relate to another patient's.
 */
import type { EpochKeyAnswer, EpochKeyPost } from '@yilian/api/messages-institution';
import { type Bytes, type RandomBytes, concatBytes, equalBytes, utf8 } from '@yilian/crypto/bytes';
import { decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext } from '@yilian/crypto/context';
import { type Curve, type G1, PointError } from '@yilian/crypto/curve';
import { verifyPossessedKey } from '@yilian/crypto/possession';
import { type ExponentProof, encodeProof, parseProof } from '@yilian/crypto/proof';
import {
  type EpochSecret,
  createEpochKey,
  shareEpochSecret,
} from '@yilian/crypto/searchable-encryption';
import { epochText } from '@yilian/ledger/checks';
import { type Clock, dayOf } from '../clock.ts';
import type { ChainView } from './chain-view.ts';
import type { SecretSlots } from './secret-slots.ts';
import { type Served, refuse, served } from './served.ts';
import type { Shelf } from './service-store.ts';

export interface EpochKeys {
  share(request: EpochKeyPost): Promise<Served<EpochKeyAnswer>>;
  /** A of an epoch that is still open here. */
  openKey(epoch: number): Bytes | undefined;
  /** Erases the exponents of past days. */
  tend(): Promise<void>;
}

export interface EpochKeysOptions {
  readonly curve: Curve;
  readonly context: ChainContext;
  readonly chain: ChainView;
  readonly clock: Clock;
  /** Id of this hospital. */
  readonly institution: string;
  readonly slots: SecretSlots;
  /** Day → [A, proof]. */
  readonly shelf: Shelf;
  readonly randomBytes: RandomBytes;
}

const SLOT_PREFIX = utf8('epoch/');

function dayBytes(day: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, day);
  return bytes;
}

function slotId(day: number): Bytes {
  return concatBytes(SLOT_PREFIX, dayBytes(day));
}

export function createEpochKeys(options: EpochKeysOptions): EpochKeys {
  const { curve, context, chain, clock, institution, slots, shelf, randomBytes } = options;
  const hospitalId = utf8(institution);
  const open = new Map<number, EpochSecret>();
  let making: Promise<unknown> = Promise.resolve();

  const restore = (day: number): EpochSecret | undefined => {
    const stored = shelf.get(dayBytes(day));
    const secret = slots.get(slotId(day));
    if (stored === undefined || secret === undefined) return undefined;
    const value = decode(stored);
    const [point, proof]: readonly unknown[] = Array.isArray(value) ? value : [];
    if (!(point instanceof Uint8Array) || !(proof instanceof Uint8Array)) return undefined;
    const exponent = curve.parseScalar(secret);
    secret.fill(0);
    const key = {
      hospitalId,
      epoch: epochText(day),
      point: curve.parseG1(point),
      proof: parseProof(curve, proof),
    };
    return { key, exponent };
  };

  const make = async (day: number): Promise<EpochSecret> => {
    const epoch = epochText(day);
    const secret = createEpochKey({ curve, context, hospitalId, epoch, randomBytes });
    const exponent = curve.encodeScalar(secret.exponent);
    await slots.erase(slotId(day));
    await slots.put(slotId(day), exponent);
    exponent.fill(0);
    const { point, proof } = secret.key;
    await shelf.put(dayBytes(day), encode([curve.encodeG1(point), encodeProof(curve, proof)]));
    return secret;
  };

  const secretOf = (day: number): Promise<EpochSecret> => {
    const next = making.then(async () => {
      const known = open.get(day) ?? restore(day) ?? (await make(day));
      open.set(day, known);
      return known;
    });
    making = next.catch(() => undefined);
    return next;
  };

  const parseRequest = (
    request: EpochKeyPost,
  ): { readonly patientKey: G1; readonly proof: ExponentProof } | null => {
    try {
      return {
        patientKey: curve.parseG1(request.patientKey),
        proof: parseProof(curve, request.possession),
      };
    } catch (error) {
      if (error instanceof PointError) return null;
      throw error;
    }
  };

  return {
    share: async (request) => {
      const today = dayOf(clock.nowMs());
      const day = request.epoch ?? today;
      if (day !== today) return refuse('epochClosed');
      const parsed = parseRequest(request);
      if (parsed === null) return refuse('possessionInvalid');
      const { patientKey, proof } = parsed;
      const { visitKey } = request;
      const possessed = verifyPossessedKey({
        curve,
        context,
        patientKey,
        hospitalId,
        visitKey,
        proof,
      });
      if (possessed === undefined) return refuse('possessionInvalid');
      const secret = await secretOf(day);
      const point = curve.encodeG1(secret.key.point);
      const onChain = chain.epochKey(institution, day);
      // Another A of today is on chain already (this disk was lost): nothing can be indexed until tomorrow.
      if (onChain !== undefined && !equalBytes(onChain, point)) return refuse('epochClosed');
      return served({
        epoch: day,
        epochKey: point,
        proof: encodeProof(curve, secret.key.proof),
        indexPoint: curve.encodeG1(shareEpochSecret(curve, secret, possessed)),
      });
    },
    openKey: (epoch) => {
      if (epoch !== dayOf(clock.nowMs())) return undefined;
      const known = open.get(epoch) ?? restore(epoch);
      if (known !== undefined) open.set(epoch, known);
      return known === undefined ? undefined : curve.encodeG1(known.key.point);
    },
    tend: async () => {
      const today = dayOf(clock.nowMs());
      for (const [day, secret] of open) {
        if (day >= today) continue;
        curve.wipeScalar(secret.exponent);
        open.delete(day);
      }
      for (const { key } of shelf.list()) {
        const day = new DataView(key.buffer, key.byteOffset, 4).getUint32(0);
        if (day >= today) continue;
        await slots.erase(slotId(day));
        await shelf.delete(key);
      }
    },
  };
}
