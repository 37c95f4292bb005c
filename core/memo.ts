/** What is made of a key, made once per key and kept: for keys that are few. All begins anew past `most`. */
export function memo<Key, Made>(make: (key: Key) => Made, most = Infinity): (key: Key) => Made {
  const kept = new Map<Key, Made>();
  return (key) => {
    let made = kept.get(key);
    if (made !== undefined) return made;
    if (kept.size >= most) kept.clear();
    kept.set(key, made = make(key));
    return made;
  };
}

/** What is made of an object, kept for as long as the object is. */
export function memoOfObject<Key extends WeakKey, Made>(
  make: (key: Key) => Made,
): (key: Key) => Made {
  const kept = new WeakMap<Key, Made>();
  return (key) => {
    let made = kept.get(key);
    if (made === undefined) kept.set(key, made = make(key));
    return made;
  };
}
