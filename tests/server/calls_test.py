"""The services as a client meets them: answers, errors with their places, limits, the catalog, reflection."""
import os
import shutil
import tempfile
import unittest

from ridgeline_server import ServerProcess, health, result_of

import grpc
from client import RidgelineError
from ridgeline_program import DEMO, SMALL, SOURCE

DEMO_FILE = os.path.join(SOURCE, "configs", "scenarios", DEMO + ".yaml")


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ServerProcess()
        cls.client = cls.server.client()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.stop()

    def refused(self, code, call):
        """What the call raises, which must be of this code."""
        with self.assertRaises(RidgelineError) as caught:
            for _ in call():
                pass
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    def test_simulate_answers_with_the_report(self):
        result = result_of(self.client.simulate(DEMO_FILE, overrides=["training.parallelism.tp=2"], seed=7))
        self.assertEqual(result.seed, 7)
        self.assertEqual(result.report.settings["training.parallelism.tp"], "2")
        metrics = {metric.name: metric for metric in result.report.metrics}
        self.assertEqual(metrics["step_time"].unit, "s")
        self.assertGreater(metrics["step_time"].value, 0)
        self.assertEqual(len(result.inputs[0].sha256), 64)

    def test_later_documents_and_overrides_win_in_order(self):
        files = [("a.yaml", SMALL), ("b.yaml", "training: {parallelism: {tp: 4}}")]
        self.assertEqual(result_of(self.client.simulate(files)).report.settings["training.parallelism.tp"], "4")
        twice = ["training.parallelism.tp=1", "training.parallelism.tp=8"]
        report = result_of(self.client.simulate(files, overrides=twice)).report
        self.assertEqual(report.settings["training.parallelism.tp"], "8")

    def test_validate_fills_in_the_defaults(self):
        answer = self.client.validate([("small.yaml", SMALL)])
        self.assertIn("schedule:", answer.resolved.content)
        self.assertIn("training.schedule", [filled.path for filled in answer.defaults])

    def test_bad_documents_come_back_with_line_and_column(self):
        text = SMALL.replace("tp: 2", "tq: 2").replace("4096", "long")
        error = self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, lambda: self.client.simulate([("bad.yaml", text)])
        )
        places = [(problem.document, problem.line, problem.column) for problem in error.diagnostics]
        self.assertEqual(places, [("bad.yaml", 4, 20), ("bad.yaml", 7, 17)])
        self.assertIn("did you mean tp?", error.diagnostics[1].hint)
        self.assertEqual(error.diagnostics[1].path, "training.parallelism")
        self.assertTrue(str(error).startswith("bad.yaml:4:20: "), error)

    def test_all_problems_arrive_when_a_status_is_too_small_for_them(self):
        keys = "".join(f"  a_rather_long_key_that_nobody_knows_{i}: {'x' * 200}\n" for i in range(18))
        error = self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, lambda: self.client.simulate([("bad.yaml", SMALL + keys)])
        )
        self.assertEqual(len(error.diagnostics), 18)
        self.assertEqual([problem.line for problem in error.diagnostics], list(range(8, 26)))

    def test_unknown_names_are_told_with_the_nearest(self):
        text = SMALL.replace("llama-3.1-8b", "llama-3.1-8")
        error = self.refused(grpc.StatusCode.NOT_FOUND, lambda: self.client.simulate([("s.yaml", text)]))
        self.assertEqual((error.diagnostics[0].line, error.diagnostics[0].column), (3, 10))
        self.assertIn("llama-3.1-8b", error.diagnostics[0].hint)

    def test_documents_name_no_files_of_the_server(self):
        for name in ["/etc/passwd.json", "/etc/hostname.yaml", "../../etc/passwd.json", DEMO_FILE]:
            for text in [SMALL.replace("llama-3.1-8b", name), SMALL.replace("dgx-h100", name)]:
                error = self.refused(
                    grpc.StatusCode.INVALID_ARGUMENT, lambda: self.client.simulate([("s.yaml", text)])
                )
                self.assertIn("may not name files of the server", str(error))

    def test_workloads_and_engines_name_no_files_of_the_server(self):
        with open(os.path.join(SOURCE, "configs", "scenarios", "llama-3.1-70b-azure-8xh100.yaml"), encoding="utf-8") as file:
            serving = file.read()
        for path in ["workload.arrivals.trace", "serving.engine", "serving.model", "cluster"]:
            for name in ["/etc/hostname.yaml", "../traces/azure-2023-conv.yaml", "./azure-2023-conv.csv"]:
                error = self.refused(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    lambda: self.client.simulate([("s.yaml", serving)], overrides=[f"{path}={name}"]),
                )
                self.assertIn("may not name files of the server", str(error))
                self.assertNotIn("No such file", str(error))

    def test_links_lead_out_of_no_allowed_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            allowed = os.path.join(folder, "allowed")
            os.mkdir(allowed)
            model = os.path.join(SOURCE, "configs", "models", "llama-3.1-8b.json")
            shutil.copy(model, os.path.join(allowed, "mine.json"))
            shutil.copy(model, os.path.join(folder, "secret.json"))
            os.symlink(os.path.join(folder, "secret.json"), os.path.join(allowed, "link.json"))
            os.symlink(folder, os.path.join(allowed, "up"))
            server = ServerProcess("--allow-path", allowed)
            self.addCleanup(server.stop)
            with server.client() as client:
                simulate = lambda name: client.simulate([("s.yaml", SMALL.replace("llama-3.1-8b", name))])
                self.assertTrue(result_of(simulate(f"{allowed}/mine.json")).report.metrics)
                for name in ["link.json", "up/secret.json", "../secret.json", "../allowed2/mine.json"]:
                    error = self.refused(
                        grpc.StatusCode.INVALID_ARGUMENT, lambda: simulate(f"{allowed}/{name}")
                    )
                    self.assertIn("may not name files of the server", str(error))

    def test_a_scenario_is_of_bounded_size(self):
        many = [(f"{i}.yaml", "{}") for i in range(101)]
        few = grpc.StatusCode.RESOURCE_EXHAUSTED
        self.assertIn("more than 100 documents: 101", str(self.refused(few, lambda: self.client.simulate(many))))
        overrides = ["training.micro_batch=1"] * 1001
        error = self.refused(few, lambda: self.client.simulate([("s.yaml", SMALL)], overrides=overrides))
        self.assertIn("more than 1000 overrides: 1001", str(error))

    def test_a_workload_is_of_bounded_size(self):
        with open(os.path.join(SOURCE, "configs", "scenarios", "llama-3.1-70b-serve-8xh100.yaml"), encoding="utf-8") as file:
            serving = file.read()
        error = self.refused(
            grpc.StatusCode.OUT_OF_RANGE,
            lambda: self.client.simulate([("s.yaml", serving)], overrides=["workload.requests=10000001"], timeout=20),
        )
        self.assertIn("at most 10000000", str(error))

    def test_small_documents_that_unfold_are_counted_together(self):
        unfolds = "x: [&a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"
        for name, of in ["ba", "cb", "dc", "ed"]:  # ten of the one before each
            unfolds += f", &{name} [{', '.join(['*' + of] * 10)}]"
        unfolds += "]\n"
        error = self.refused(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            lambda: self.client.simulate([(f"{i}.yaml", unfolds.replace("x:", f"x{i}:")) for i in range(20)]),
        )
        self.assertIn("more than 1000000 values in all documents together", str(error))

    def test_documents_of_many_keys_are_refused_within_a_moment(self):
        keys = "".join(f"k{i}: 1\n" for i in range(200_000))
        error = self.refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            lambda: self.client.simulate([("a.yaml", SMALL + keys), ("b.yaml", keys)], timeout=20),
        )
        self.assertIn("unknown key: k0", str(error))

    def test_documents_and_messages_have_a_size(self):
        comment = "#" + "x" * (4 << 20) + "\n"
        error = self.refused(
            grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: self.client.simulate([("large.yaml", comment + SMALL)])
        )
        self.assertIn("document larger than 4 MiB: large.yaml", str(error))
        self.refused(
            grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: self.client.simulate([("huge.yaml", comment * 5 + SMALL)])
        )

    def test_no_document_is_no_scenario(self):
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: self.client.simulate([]))

    def test_what_if_compares_variants(self):
        result = result_of(self.client.what_if([("s.yaml", SMALL)], ["training.parallelism.tp=1,4"]))
        self.assertEqual(result.what_if.metric, "step_time")
        changes = [[(c.path, c.value) for c in variant.changes] for variant in result.what_if.variants]
        self.assertEqual(
            changes, [[("training.parallelism.tp", "1")], [("training.parallelism.tp", "4")]]
        )
        base = {metric.name: metric.value for metric in result.what_if.base.metrics}["step_time"]
        for variant in result.what_if.variants:
            step = {metric.name: metric.value for metric in variant.report.metrics}["step_time"]
            causes = sum(difference.change for difference in variant.explained_by)
            self.assertAlmostEqual(causes, step - base, delta=1e-9)

    def test_a_bad_variation_is_told(self):
        self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, lambda: self.client.what_if([("s.yaml", SMALL)], ["training.x"])
        )

    def test_plan_streams_incumbents_and_ends_with_the_plan(self):
        text = SMALL.replace("  micro_batch: 1\n", "").replace("  parallelism: {tp: 2}\n", "")
        events = list(self.client.plan([("s.yaml", text)], keep=3))
        incumbents = [event.incumbent for event in events if event.HasField("incumbent")]
        plan = events[-1].result.plan
        self.assertTrue(plan.is_feasible)
        self.assertEqual(plan.gap, 0)
        self.assertLessEqual(len(plan.candidates), 3)
        self.assertEqual(dict(incumbents[-1].settings), dict(plan.candidates[0].settings))
        counts = plan.counts
        self.assertEqual(
            counts.considered, counts.illegal + counts.out_of_memory + counts.bounded + counts.evaluated
        )

    def test_plan_refuses_an_unknown_objective(self):
        self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, lambda: self.client.plan([("s.yaml", SMALL)], minimize="beauty")
        )

    def test_render_is_not_built_and_says_so(self):
        with self.assertRaises(grpc.RpcError) as caught:
            from ridgeline.v1 import services_pb2

            self.client.planner.Render(services_pb2.RenderRequest())
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("render", caught.exception.details())

    def test_catalog_lists_by_page_what_there_is(self):
        names = sorted(
            name.rsplit(".", 1)[0]
            for name in os.listdir(os.path.join(SOURCE, "configs", "gpus"))
            if name.endswith((".yaml", ".json"))
        )
        for page_size in [0, 1, 3]:
            self.assertEqual([entry.name for entry in self.client.list("gpus", page_size)], names)
        self.assertIn("H100", {e.name: e.title for e in self.client.list("gpu")}["h100-sxm"])

    def test_catalog_gets_a_document(self):
        answer = self.client.get("gpus", "h100-sxm")
        with open(os.path.join(SOURCE, "configs", "gpus", "h100-sxm.yaml"), encoding="utf-8") as file:
            self.assertEqual(answer.document.content, file.read())

    def test_catalog_knows_no_ways_out(self):
        for kind, name in [("gpus", "../models/llama-3.1-8b"), ("..", "README"), ("gpus", "/etc/hostname")]:
            with self.assertRaises(RidgelineError) as caught:
                self.client.get(kind, name)
            self.assertEqual(caught.exception.code, grpc.StatusCode.NOT_FOUND)

    def test_health_speaks_for_every_service(self):
        for service in ["", "ridgeline.v1.Simulator", "ridgeline.v1.Planner", "ridgeline.v1.Catalog"]:
            self.assertEqual(health(self.client, service), "SERVING", service)

    def test_reflection_lists_the_services(self):
        ask = self.client.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        list_services = b"\x3a\x00"  # ServerReflectionRequest.list_services = ""
        answer = next(ask(iter([list_services]), timeout=5))
        for service in [b"ridgeline.v1.Simulator", b"ridgeline.v1.Planner", b"ridgeline.v1.Catalog"]:
            self.assertIn(service, answer)

    def test_every_run_has_a_line(self):
        result_of(self.client.simulate([("s.yaml", SMALL)]))
        self.server.wait_for_line(r"^run \d+: Simulator/Simulate OK \d+\.\d{3} s$")


if __name__ == "__main__":
    unittest.main()
