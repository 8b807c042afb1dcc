import { openSql, type Target } from "ringwall/adapters/postgres";

type Owner = ReturnType<typeof openSql>;

/** Runs `work` on one connection of its own, and closes it. */
export async function asOwner<T>(target: Target, work: (db: Owner) => Promise<T>): Promise<T> {
  const db = openSql(target);
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}
