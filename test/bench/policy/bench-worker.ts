// The workload inside workerd: `/?nodes=N&work=W&times=T` does the work and answers when it is done.
import { isWork, Workload } from "./workload.ts";

let workload: Workload | null = null;

export default {
  fetch(request: Request): Response {
    const query = new URL(request.url).searchParams;
    const work = query.get("work") ?? "";
    if (!isWork(work)) return new Response(`no work ${work}`, { status: 400 });
    workload ??= new Workload(Number(query.get("nodes")));
    return new Response(String(workload.repeat(work, Number(query.get("times")))));
  },
};
