// `replicate` for Node.js against the sandbox. One JSON line per scenario, as report.py prints them.

const assert = require("node:assert/strict");
const http = require("node:http");
const { createRequire } = require("node:module");
const path = require("node:path");

// The client lies in a folder of the run's own.
const own = createRequire(path.join(process.argv[2], "index.js"));
const Replicate = own("replicate");

const ROOT = process.env.SANDBOX;
const HELLO = "replicate/hello-world";
const TRAINER = "simpletuner/advanced-trainer-l40s";
const CONFIG = JSON.stringify({ "--model_family": "flux", "--max_train_steps": 6 });
const RUN = { config_json: CONFIG, dataloader_json: '[{"id": "hosted", "type": "huggingface"}]' };
const client = new Replicate({ baseUrl: `${ROOT}/v1` });
const soon = { interval: 20 };

async function newest(name) {
  return (await client.models.get(...name.split("/"))).latest_version.id;
}

async function fault(text) {
  const answer = await fetch(`${ROOT}/_sandbox/faults`, {
    method: "POST",
    body: JSON.stringify(text),
    headers: { Authorization: `Bearer ${process.env.REPLICATE_API_TOKEN}` },
  });
  assert.equal(answer.status, 201);
}

const scenarios = {
  async account_and_models() {
    assert.equal((await client.accounts.current()).username, "sandbox");
    assert((await client.hardware.list()).some((item) => item.sku === "gpu-l40s"));
    const versions = await client.models.versions.list(...TRAINER.split("/"));
    assert.equal(versions.results[0].id, await newest(TRAINER));
    const found = await client.models.search("webhook-check");
    assert.deepEqual(found.results.map((item) => item.name), ["webhook-check"]);
    const options = { visibility: "private", hardware: "cpu" };
    assert.equal((await client.models.create("sandbox", "node", options)).name, "node");
    assert((await client.collections.get("training")).models.length > 0);
  },

  async create_and_wait() {
    const made = await client.predictions.create({
      version: await newest(HELLO),
      input: { text: "you" },
    });
    const done = await client.wait(made, soon);
    assert.equal(done.status, "succeeded");
    assert.deepEqual(done.output, ["hello", " you"]);
    const run = await client.predictions.create({ version: await newest(TRAINER), input: RUN });
    assert.match((await client.wait(run, soon)).logs, /Step 6 of 6/);
  },

  async create_that_waits() {
    const body = { version: await newest(HELLO), input: { text: "x" } };
    assert.equal((await client.predictions.create({ ...body, wait: 60 })).status, "succeeded");
    await fault("queue-forever*1");
    const late = await client.predictions.create({ ...body, wait: 1 });
    assert.equal(late.status, "starting");
    await client.predictions.cancel(late.id);
  },

  async cancel() {
    const input = { ...RUN, max_train_steps: 1000000 };
    const run = await client.predictions.create({ version: await newest(TRAINER), input });
    assert.equal((await client.predictions.cancel(run.id)).status, "canceled");
    assert.equal((await client.predictions.cancel(run.id)).status, "canceled");
    assert.equal((await client.predictions.get(run.id)).status, "canceled");
  },

  async list_all_pages() {
    const ids = [];
    for await (const page of client.paginate(client.predictions.list)) {
      ids.push(...page.map((item) => item.id));
    }
    assert(ids.length >= 230);
    assert.equal(new Set(ids).size, ids.length);
  },

  async files() {
    const file = await client.files.create(Buffer.alloc(7000, 1), { run: 1 });
    assert.equal(file.size, 7000);
    assert.deepEqual((await client.files.get(file.id)).metadata, { run: 1 });
    const ids = async () => (await client.files.list()).results.map((item) => item.id);
    assert((await ids()).includes(file.id));
    assert.equal(await client.files.delete(file.id), true);
    assert(!(await ids()).includes(file.id));
    const input = { config_json: CONFIG, images: new Blob(["not an archive"]) };
    const run = await client.predictions.create({ version: await newest(TRAINER), input });
    assert(run.input.images.startsWith(`${ROOT}/v1/files/`));
    await assert.rejects(() => client.wait(run, soon), /archive/);
  },

  async webhook_and_its_secret() {
    const secret = (await client.webhooks.default.secret.get()).key;
    const came = Promise.withResolvers?.() ?? {};
    came.promise ??= new Promise((resolve) => (came.resolve = resolve));
    const server = http.createServer((request, response) => {
      const parts = [];
      request.on("data", (part) => parts.push(part));
      request.on("end", () => {
        response.end();
        came.resolve({ headers: request.headers, body: Buffer.concat(parts).toString() });
      });
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    await client.predictions.create({
      version: await newest(HELLO),
      input: { text: "x" },
      webhook: `http://127.0.0.1:${server.address().port}/hook`,
      webhook_events_filter: ["completed"],
    });
    const got = await came.promise;
    server.close();
    server.closeAllConnections();
    assert.equal(await Replicate.validateWebhook(got, secret), true);
    const changed = { ...got, body: `${got.body} ` };
    assert.equal(await Replicate.validateWebhook(changed, secret), false);
  },

  async stream() {
    const events = [];
    for await (const event of client.stream(HELLO, { input: { text: "dear you" } })) {
      events.push(event);
    }
    assert.equal(events.at(-1).event, "done");
    const words = events.filter((event) => event.event === "output").map((event) => event.data);
    assert.equal(words.join(""), "hello dear you");
  },

  async run_and_model_error() {
    const said = await client.run(HELLO, { input: { text: "you" } });
    assert.equal(said.join(""), "hello you");
    const version = `${TRAINER}:${await newest(TRAINER)}`;
    await assert.rejects(
      client.run(version, { input: { config_json: "{" }, wait: { mode: "poll", interval: 20 } }),
      /Prediction failed/
    );
  },

  async errors() {
    const wrong = new Replicate({ baseUrl: `${ROOT}/v1`, auth: "r8_no" });
    const version = await newest(HELLO);
    const create = (body) => client.predictions.create(body);
    const cases = [
      [422, () => create({ version: "0".repeat(64), input: {} })],
      [422, () => create({ version, input: { tone: "rude" } })],
      [404, () => client.predictions.get("none")],
      [401, () => wrong.accounts.current()],
    ];
    for (const [status, call] of cases) {
      await assert.rejects(call, (error) => error.response.status === status);
    }
    await fault("no-credit*1");
    await assert.rejects(
      () => create({ version, input: { text: "x" } }),
      (error) => error.response.status === 402 && /Insufficient credit/.test(error.message)
    );
    await fault("rate-limit=1*2");
    assert.equal((await client.accounts.current()).username, "sandbox");
  },

  async trainings_and_deployments() {
    const version = await newest(HELLO);
    const made = await client.trainings.create("replicate", "hello-world", version, {
      destination: "sandbox/my-lora",
      input: { text: "x" },
    });
    assert.equal((await client.trainings.get(made.id)).id, made.id);
    await client.trainings.cancel(made.id);
    assert((await client.trainings.list()).results.some((item) => item.id === made.id));
    await client.deployments.create({
      name: "node",
      model: HELLO,
      version,
      hardware: "cpu",
      min_instances: 0,
      max_instances: 1,
    });
    const input = { text: "x" };
    const started = await client.deployments.predictions.create("sandbox", "node", { input });
    assert.equal((await client.wait(started, soon)).status, "succeeded");
  },
};

async function main() {
  for (const [name, scenario] of Object.entries(scenarios)) {
    let problem = "";
    try {
      await scenario();
    } catch (error) {
      problem = error.stack || String(error);
    }
    console.log(JSON.stringify([name, problem]));
  }
}

main();
