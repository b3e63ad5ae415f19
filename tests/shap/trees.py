"""Trees of LightGBM and scikit-learn as lists of nodes, level by level, siblings side by side."""

import numpy


def rounded_down(threshold):
    """The greatest f32 that is not above: for f32 values, `x <= threshold` keeps its meaning."""
    with numpy.errstate(over="ignore"):
        near = numpy.float32(threshold)
    # Compared as f64: beside an f32, numpy would round the threshold first.
    return float(numpy.nextafter(near, numpy.float32(-numpy.inf)) if float(near) > threshold else near)


def laid_out(root, look):
    """`look(node)` gives (value, cover) of a leaf, or (input, threshold, missing goes left, left
    node, right node, cover) of a branch."""
    order, nodes = [root], []
    while len(nodes) < len(order):
        found = look(order[len(nodes)])
        if len(found) == 2:
            nodes.append({"value": float(found[0]), "cover": int(found[1])})
            continue
        source, threshold, missing_left, left, right, cover = found
        nodes.append({
            "left": len(order), "input": int(source), "threshold": rounded_down(threshold),
            "missing_left": bool(missing_left), "cover": int(cover),
        })
        order += [left, right]
    return nodes


def of_lightgbm(model):
    rows = model.dump_model()["tree_info"][0]["tree_structure"].get("internal_count", 1)

    def look(node):
        if "split_feature" not in node:
            return node["leaf_value"], node.get("leaf_count", rows)
        assert node["decision_type"] == "<="
        # A split that met no missing value takes them for 0.
        missing_left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        return (
            node["split_feature"], node["threshold"], missing_left,
            node["left_child"], node["right_child"], node["internal_count"],
        )

    return [laid_out(tree["tree_structure"], look) for tree in model.dump_model()["tree_info"]]


def of_hist_gradient_boosting(model):
    def tree(nodes):
        def look(index):
            node = nodes[index]
            if node["is_leaf"]:
                return node["value"], node["count"]
            return (
                node["feature_idx"], node["num_threshold"], node["missing_go_to_left"],
                node["left"], node["right"], node["count"],
            )

        return laid_out(0, look)

    return [tree(predictors[0].nodes) for predictors in model._predictors]


def of_random_forest(model):
    def tree(fitted):
        def look(index):
            # Rows count as often as the bootstrap drew them.
            cover = round(fitted.weighted_n_node_samples[index])
            if fitted.children_left[index] < 0:
                return fitted.value[index, 0, 0], cover
            return (
                fitted.feature[index], fitted.threshold[index], False,
                fitted.children_left[index], fitted.children_right[index], cover,
            )

        return laid_out(0, look)

    return [tree(estimator.tree_) for estimator in model.estimators_]
