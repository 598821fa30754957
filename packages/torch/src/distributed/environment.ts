/** Where this process stands among the ranks of a program. */
export interface RankEnvironment {
  readonly rank: number;
  readonly size: number;
  readonly localRank: number;
  readonly localSize: number | null;
  readonly host: string;
  readonly port: number;
  readonly runId: string;
  readonly restarts: number;
}

/** Of the variables that torchrun sets; null where there is one process. */
export function rankEnvironment(env: NodeJS.ProcessEnv = process.env): RankEnvironment | null {
  const { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT } = env;
  if (RANK === undefined || Number(WORLD_SIZE) < 2) return null;
  return {
    rank: Number(RANK),
    size: Number(WORLD_SIZE),
    localRank: Number(LOCAL_RANK),
    localSize: LOCAL_WORLD_SIZE === undefined ? null : Number(LOCAL_WORLD_SIZE),
    host: MASTER_ADDR ?? '127.0.0.1',
    port: Number(MASTER_PORT),
    runId: '',
    restarts: 0,
  };
}
