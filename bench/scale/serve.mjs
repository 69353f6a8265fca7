// What a process of its own does for the one that measures.

/** Does each work that is asked for by its name, and sends back what it answers. */
export function serve(works) {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, work, ...options }) => {
    try {
      process.send({ id, answer: (await works[work](options)) ?? null });
    } catch (error) {
      process.send({ id, error: String(error) });
    }
  });
}
