declare const brand: unique symbol;

/**
 * A value of type `T` that has passed the check which `Name` stands for.
 * The nested record (and not a plain tag) lets a value carry several brands at once.
 */
export type Brand<T, Name extends string> = T & {
  readonly [brand]: { readonly [N in Name]: true };
};
