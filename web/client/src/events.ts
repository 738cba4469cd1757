/** A list of handlers for each event. What a handler throws is reported to the console and reaches nobody else. */
export class Emitter<Events extends { [K in keyof Events]: unknown[] }> {
  readonly #handlers: { [K in keyof Events]?: Set<(...args: Events[K]) => void> } = {}

  /** Calls `handler` at each event `name`. Returns a function that takes it off again. */
  on<K extends keyof Events>(name: K, handler: (...args: Events[K]) => void): () => void {
    ;(this.#handlers[name] ??= new Set()).add(handler)
    return () => this.off(name, handler)
  }

  off<K extends keyof Events>(name: K, handler: (...args: Events[K]) => void): void {
    this.#handlers[name]?.delete(handler)
  }

  /** @internal */
  emit<K extends keyof Events>(name: K, ...args: Events[K]): void {
    for (const handler of [...(this.#handlers[name] ?? [])]) {
      try {
        handler(...args)
      } catch (error) {
        console.error(`crescendo: a handler of "${String(name)}" threw`, error)
      }
    }
  }
}
