// Runs one scenario with jsforce as published and prints what it saw as one line of JSON.
//     node client.js SCENARIO '{"url": …, "username": …, …}'
"use strict";

const jsforce = require("jsforce");

const ALL = { allOrNone: true };

async function signedIn(org, options = {}) {
  const connection = new jsforce.Connection({ loginUrl: org.url, ...options });
  await connection.login(org.username, org.password + org.security_token);
  return connection;
}

async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { name: error.name, code: error.errorCode, message: error.message };
  }
}

const scenarios = {
  async soap(org) {
    const connection = new jsforce.Connection({ loginUrl: org.url });
    const user = await connection.login(org.username, org.password + org.security_token);
    const identity = await connection.identity();
    await connection.logout();
    return {
      user: [user.id, user.organizationId],
      instanceUrl: connection.instanceUrl,
      username: identity.username,
      wrong: await failure(connection.login(org.username, "nope")),
    };
  },

  async oauth(org) {
    const oauth2 = { loginUrl: org.url, clientId: org.client_id, clientSecret: org.client_secret };
    const connection = new jsforce.Connection({ oauth2 });
    const user = await connection.authorize({ grant_type: "client_credentials" });
    const count = (await connection.query("SELECT COUNT() FROM Lead")).totalSize;
    const byPassword = new jsforce.Connection({ oauth2 });
    await byPassword.login(org.username, org.password + org.security_token);
    const identity = await byPassword.identity();
    await byPassword.logout(true);
    const other = new jsforce.Connection({ oauth2: { ...oauth2, clientSecret: "nope" } });
    return {
      user: user.id,
      instanceUrl: connection.instanceUrl,
      count,
      username: identity.username,
      wrong: await failure(other.authorize({ grant_type: "client_credentials" })),
      limits: connection.limitInfo.apiUsage,
    };
  },

  async session(org) {
    const connection = await signedIn(org);
    const refreshed = [];
    const other = new jsforce.Connection({
      instanceUrl: connection.instanceUrl,
      accessToken: "gone",
      refreshFn: (_, done) => {
        refreshed.push("asked");
        done(null, connection.accessToken);
      },
    });
    const versions = await other.request("/services/data");
    const count = (await other.query("SELECT COUNT() FROM Lead")).totalSize;
    return { refreshed, count, first: versions[0].version, last: versions[versions.length - 1].version };
  },

  async describe(org) {
    const connection = await signedIn(org);
    const everything = await connection.describeGlobal();
    const lead = await connection.sobject("Lead").describe();
    const cached = await connection.sobject("Lead").describe$();
    return {
      names: everything.sobjects.map((entry) => entry.name),
      prefix: lead.keyPrefix,
      company: lead.fields.find((field) => field.name === "Company"),
      cached: cached.fields.length === lead.fields.length,
      limits: (await connection.limits()).DailyApiRequests,
    };
  },

  async crud(org) {
    const connection = await signedIn(org);
    const leads = connection.sobject("Lead");
    const made = await leads.create({ LastName: "Lovelace", Company: "Analytical Engines" });
    const changed = await leads.update({ Id: made.id, FirstName: "Ada" });
    const record = await leads.retrieve(made.id);
    const refused = await failure(leads.create({ LastName: "No company" }));
    const gone = await leads.destroy(made.id);
    return { made, changed, name: record.Name, refused, gone, after: await failure(leads.retrieve(made.id)) };
  },

  async upsert(org) {
    const connection = await signedIn(org);
    const leads = connection.sobject("Lead");
    const made = await leads.upsert({ Person_Id__c: "js 1", LastName: "A", Company: "C" }, "Person_Id__c");
    const changed = await leads.upsert({ Person_Id__c: "js 1", Title: "T" }, "Person_Id__c");
    const many = await leads.upsert(
      [
        { Person_Id__c: "js 1", Title: "U" },
        { Person_Id__c: "js 2", LastName: "B", Company: "C" },
      ],
      "Person_Id__c",
    );
    return { made, changed, many, found: await leads.findOne({ Person_Id__c: "js 1" }, "Id, Title") };
  },

  async collections(org) {
    const connection = await signedIn(org);
    const leads = connection.sobject("Lead");
    const rows = Array.from({ length: 450 }, (_, n) => ({ LastName: `L${n}`, Company: "Many" }));
    const made = await leads.create(rows, { allowRecursive: true });
    const ids = made.map((result) => result.id);
    const partly = await leads.update([
      { Id: ids[0], Title: "first" },
      { Id: ids[1], Email: "not an address" },
    ]);
    const none = await leads.update(
      [
        { Id: ids[2], Title: "third" },
        { Id: ids[3], Email: "not an address" },
      ],
      ALL,
    );
    const read = await leads.retrieve([ids[0], ids[2]]);
    const gone = await leads.destroy(ids, { allowRecursive: true });
    return {
      made: made.filter((result) => result.success).length,
      partly,
      none,
      titles: read.map((record) => record.Title),
      gone: gone.filter((result) => result.success).length,
    };
  },

  async query(org) {
    const connection = await signedIn(org);
    const first = await connection.query("SELECT Id, Owner.Name FROM Lead WHERE Company != 'Many'");
    const more = await connection.queryMore(first.nextRecordsUrl);
    const all = await connection
      .query("SELECT Id FROM Lead ORDER BY Id")
      .on("record", () => {})
      .run({ autoFetch: true, maxFetch: 5000 });
    const found = await connection.sobject("Lead").find({ Status: "Open - Not Contacted" }).limit(3).execute();
    const grouped = await connection.query("SELECT Status, COUNT(Id) n FROM Lead GROUP BY Status");
    return {
      first: [first.totalSize, first.done, first.records.length],
      owner: first.records[0].Owner.attributes.type,
      more: [more.done, more.records.length],
      all: new Set(all.records.map((record) => record.Id)).size,
      found: found.length,
      grouped: grouped.records.reduce((sum, record) => sum + record.n, 0),
      refused: await failure(connection.query("SELECT Nope FROM Lead")),
    };
  },

  async queryAll(org) {
    const connection = await signedIn(org);
    const leads = connection.sobject("Lead");
    const { id } = await leads.create({ LastName: "Deleted", Company: "C" });
    await leads.destroy(id);
    const soql = `SELECT Id, IsDeleted FROM Lead WHERE Id = '${id}'`;
    const shown = await connection.query(soql);
    const all = await connection.query(soql, { scanAll: true });
    const paged = await connection
      .query("SELECT Id FROM Lead")
      .run({ autoFetch: true, maxFetch: 5000, scanAll: true });
    return { shown: shown.totalSize, all: all.records.map((each) => each.IsDeleted), paged: paged.records.length };
  },

  async replication(org) {
    const connection = await signedIn(org);
    const leads = connection.sobject("Lead");
    const kept = await leads.create({ LastName: "Kept", Company: "C" });
    const lost = await leads.create({ LastName: "Lost", Company: "C" });
    await leads.destroy(lost.id);
    const [start, end] = [new Date(Date.now() - 3600e3), new Date(Date.now() + 120e3)];
    const updated = await leads.updated(start, end);
    const deleted = await leads.deleted(start, end);
    return {
      updated: [updated.ids.includes(kept.id), updated.ids.includes(lost.id)],
      deleted: deleted.deletedRecords.some((record) => record.id === lost.id),
      covered: [updated.latestDateCovered, deleted.latestDateCovered, deleted.earliestDateAvailable],
    };
  },

  async bulk(org) {
    const connection = await signedIn(org);
    connection.bulk2.pollInterval = 50;
    const input = Array.from({ length: 300 }, (_, n) => ({
      LastName: n === 7 ? "" : `Bulk, "${n}"`,
      Company: "Bulk",
      Person_Id__c: `bulk ${n}`,
    }));
    const loaded = await connection.bulk2.loadAndWaitForResults({
      object: "Lead",
      operation: "upsert",
      externalIdFieldName: "Person_Id__c",
      input,
    });
    const stream = await connection.bulk2.query(
      "SELECT Id, LastName, Person_Id__c FROM Lead WHERE Company = 'Bulk' ORDER BY Id",
      { scanAll: false },
    );
    const rows = await stream.toArray();
    return {
      good: loaded.successfulResults.length,
      bad: loaded.failedResults.map((row) => row.sf__Error),
      unprocessed: loaded.unprocessedRecords.length,
      rows: rows.length,
      quoted: rows.find((row) => row.Person_Id__c === "bulk 3").LastName,
    };
  },

  async bulkPages(org) {
    const connection = await signedIn(org);
    connection.bulk2.pollInterval = 50;
    const stream = await connection.bulk2.query("SELECT Id FROM Lead", { maxRecords: 1000 });
    return { rows: new Set((await stream.toArray()).map((row) => row.Id)).size };
  },
};

const [scenario, org] = process.argv.slice(2);
scenarios[scenario](JSON.parse(org)).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
