/**
 * A FHIR R4 Bundle from outside: a transaction, batch or collection as a hospital system sends it, a
 * document (IPS), or a search set. Everything beyond shape and bounds is taken as it is; what the
 * record means is the doctor's affair, not the envelope's.
 */
import { ContentError } from './content-error.ts';
import {
  DEFAULT_JSON_LIMITS,
  isJsonObject,
  type Json,
  type JsonLimits,
  type JsonObject,
  objectsAt,
  parseJson,
  textAt,
} from './json.ts';

/** One entry: a resource and the absolute address under which others refer to it. */
export interface FhirResource {
  /** `entry.fullUrl`, or `Type/id` where the entry gives none. */
  readonly address: string;
  readonly resourceType: string;
  readonly body: JsonObject;
}

export type BundleType = 'transaction' | 'batch' | 'collection' | 'document' | 'searchset';

export interface FhirBundle {
  readonly type: BundleType;
  /** `Bundle.timestamp`, unparsed. */
  readonly timestamp: string | undefined;
  readonly patient: FhirResource;
  readonly resources: readonly FhirResource[];
}

/** Bounds on a bundle from outside. */
export interface BundleLimits extends JsonLimits {
  readonly entriesMax: number;
}

export const DEFAULT_BUNDLE_LIMITS: BundleLimits = { ...DEFAULT_JSON_LIMITS, entriesMax: 20_000 };

const BUNDLE_TYPES: ReadonlySet<string> = new Set<BundleType>([
  'transaction',
  'batch',
  'collection',
  'document',
  'searchset',
]);

function isBundleType(text: string | undefined): text is BundleType {
  return text !== undefined && BUNDLE_TYPES.has(text);
}

function parseEntry(entry: Json): FhirResource | undefined {
  if (!isJsonObject(entry))
    throw new ContentError('malformed', 'an entry of the bundle is not an object');
  const body = entry['resource'];
  // An entry may be a bare request (a transaction's DELETE): it carries no content.
  if (body === undefined) return undefined;
  if (!isJsonObject(body))
    throw new ContentError('malformed', 'a resource of the bundle is not an object');
  const resourceType = textAt(body, 'resourceType');
  if (resourceType === undefined || !/^[A-Z][A-Za-z]{1,63}$/.test(resourceType))
    throw new ContentError('malformed', 'a resource of the bundle names no type');
  const address = textAt(entry, 'fullUrl') ?? `${resourceType}/${textAt(body, 'id') ?? ''}`;
  return { address, resourceType, body };
}

/**
 * Exactly one Patient must be there: a record belongs to one person.
 * @throws ContentError
 */
export function parseBundle(
  text: string,
  limits: BundleLimits = DEFAULT_BUNDLE_LIMITS,
): FhirBundle {
  const root = parseJson(text, limits);
  if (!isJsonObject(root) || root['resourceType'] !== 'Bundle')
    throw new ContentError('notABundle', 'the text is not a FHIR Bundle');
  const type = textAt(root, 'type');
  if (!isBundleType(type))
    throw new ContentError(
      'unsupportedBundle',
      'a bundle is a transaction, batch, collection, document or search set',
    );
  const entries = root['entry'] ?? [];
  if (!Array.isArray(entries))
    throw new ContentError('malformed', 'the entries of the bundle are not an array');
  if (entries.length > limits.entriesMax)
    throw new ContentError('tooLarge', `the bundle has more than ${limits.entriesMax} entries`);
  const resources = entries
    .map((entry: Json) => parseEntry(entry))
    .filter((resource) => resource !== undefined);
  const patients = resources.filter((resource) => resource.resourceType === 'Patient');
  const [patient] = patients;
  if (patient === undefined) throw new ContentError('noPatient', 'the bundle has no Patient');
  if (patients.length > 1)
    throw new ContentError('severalPatients', 'the bundle has several Patients');
  return { type, timestamp: textAt(root, 'timestamp'), patient, resources };
}

/** Finds the resource that a reference means: by full address, else by `Type/id`. */
export class ReferenceIndex {
  readonly #byAddress: Map<string, FhirResource> = new Map();
  readonly #byTypeAndId: Map<string, FhirResource> = new Map();

  constructor(resources: readonly FhirResource[]) {
    for (const resource of resources) {
      if (!this.#byAddress.has(resource.address)) this.#byAddress.set(resource.address, resource);
      const id = textAt(resource.body, 'id');
      const key = `${resource.resourceType}/${id}`;
      if (id !== undefined && !this.#byTypeAndId.has(key)) this.#byTypeAndId.set(key, resource);
    }
  }

  resolve(reference: string): FhirResource | undefined {
    const direct = this.#byAddress.get(reference);
    if (direct !== undefined) return direct;
    const relative = /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/.*)?$/.exec(
      reference,
    )?.[1];
    return relative === undefined ? undefined : this.#byTypeAndId.get(relative);
  }

  /** Every resource of the bundle to which `body` refers, at any depth, each once. */
  referencesOf(body: JsonObject): readonly FhirResource[] {
    const found = new Set<FhirResource>();
    const pending: Json[] = [body];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (Array.isArray(next)) for (const item of next) pending.push(item);
      else if (isJsonObject(next)) {
        const target = textAt(next, 'reference');
        const resource = target === undefined ? undefined : this.resolve(target);
        if (resource !== undefined) found.add(resource);
        for (const item of Object.values(next)) pending.push(item);
      }
    }
    return [...found];
  }

  /** The resource meant by the Reference (or the first of an array of them) under `name`. */
  referenceAt(body: JsonObject, name: string): FhirResource | undefined {
    for (const item of objectsAt(body, name)) {
      const target = textAt(item, 'reference');
      const resource = target === undefined ? undefined : this.resolve(target);
      if (resource !== undefined) return resource;
    }
    return undefined;
  }
}
